"""django-allauth, told of our ways: nobody signs up at a broker's host by themselves."""

from __future__ import annotations

import logging
from email.utils import formataddr
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.seal import open_sealed, seal

log = logging.getLogger(__name__)


class BrokerAccountAdapter(DefaultAccountAdapter):
    """Users are invited by their broker; e-mails come from the broker's own sender."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_from_email(self) -> str:
        brand = self.request.tenant.brand
        return formataddr((brand.display_name, brand.sender_email))

    def format_email_subject(self, subject: str) -> str:
        """The subjects name the broker themselves; no host in brackets before them."""
        return subject

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        brand = self.request.tenant.brand
        super().send_mail(template_prefix, email, {**context, "brand": brand})

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """To the user's own address: invited people have no allauth EmailAddress rows.

        The change is committed by now: a mail server that is down is logged, not an error page.
        """
        try:
            super().send_notification_mail(template_prefix, user, context, email or user.email)
        except (OSError, SMTPException):
            log.exception("notice %s could not be sent", template_prefix)


class BrokerMfaAdapter(DefaultMFAAdapter):
    """TOTP keys are named after the broker in the app and sealed in the database."""

    def get_totp_issuer(self) -> str:
        return str(context.request.tenant.brand.display_name)

    def encrypt(self, text: str) -> str:
        return seal(text).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return open_sealed(encrypted_text.encode())
