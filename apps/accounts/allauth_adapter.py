"""django-allauth, told of our ways: nobody signs up at a broker's host by themselves."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class BrokerAccountAdapter(DefaultAccountAdapter):
    """Users are invited by their broker; e-mails come from the broker's own sender."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_from_email(self) -> str:
        brand = self.request.tenant.brand
        return f"{brand.display_name} <{brand.sender_email}>"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        brand = self.request.tenant.brand
        super().send_mail(template_prefix, email, {**context, "brand": brand})
