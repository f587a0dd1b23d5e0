"""manage.py record_bounce"""

from __future__ import annotations

import argparse
import sys
from email import message_from_binary_file
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.billing.services.mail import record_bounce
from tenants.door import broker_schema
from tenants.errors import TenantError


class Command(BaseCommand):
    help = (
        "Read one delivery report (RFC 3464) from standard input, as a mail server pipes it, and "
        "mark the message that came back. Exit status 0: recorded; 1: not a report of ours."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--broker", required=True, help="slug, e.g. acme")

    def handle(self, *args: Any, **options: Any) -> None:
        message = message_from_binary_file(sys.stdin.buffer, policy=default)
        status, original = parts_of(message)
        if status is None or original is None:
            raise CommandError("not_a_report: no delivery status or no original message in it.")
        to = str(status.get("Final-Recipient", "")).rpartition(";")[2].strip()
        reason = str(status.get("Diagnostic-Code") or status.get("Status") or "")
        try:
            with broker_schema(options["broker"]):
                found = record_bounce(str(original.get("Message-ID", "")), to, reason)
        except TenantError as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        if not found:
            raise CommandError("unknown_message: no message of this broker was sent like that.")
        self.stdout.write(f"{to}: {reason}")


def parts_of(message: EmailMessage) -> tuple[Message | None, Message | None]:
    """(the failed recipient's fields, the original message's headers)."""
    status: Message | None = None
    original: Message | None = None
    for part in message.walk():
        kind, inside = part.get_content_type(), part.get_payload()
        if kind == "message/delivery-status" and isinstance(inside, list):
            groups = [group for group in inside if isinstance(group, Message)]
            status = next((each for each in groups if each.get("Action") == "failed"), None)
        elif kind == "message/rfc822" and isinstance(inside, list):
            original = inside[0] if isinstance(inside[0], Message) else None
        elif kind == "text/rfc822-headers":
            original = EmailMessage(policy=default)
            for line in str(part.get_content()).splitlines():
                name, mark, value = line.partition(":")
                if mark and name.lower() == "message-id":
                    original["Message-ID"] = value.strip()
    return status, original
