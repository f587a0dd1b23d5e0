"""manage.py create_broker"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.errors import TenantError
from tenants.services import NewBroker, create_broker


class Command(BaseCommand):
    help = (
        "Create a broker: clone the template schema, add its domain, brand and first admin. "
        "Exit status 0 when the broker exists afterwards, 1 with one line that says why not."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("slug", help="schema name: 2-30 lower-case letters and digits")
        parser.add_argument("legal_name", help="as it stands on invoices")
        parser.add_argument("domain", help="host name without port, e.g. mam.acme.example")
        parser.add_argument("admin_email", help="first log-in, role admin")
        parser.add_argument("--currency", default="USD", help="base currency (USD)")
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="read the admin's password from standard input; else set it by 'forgot password'",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = None
        if options["password_stdin"]:
            password = (
                getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
            )
        try:
            broker = create_broker(
                NewBroker(
                    slug=options["slug"],
                    legal_name=options["legal_name"],
                    domain=options["domain"],
                    admin_email=options["admin_email"],
                    admin_password=password,
                    base_currency=options["currency"],
                )
            )
        except TenantError as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        self.stdout.write(
            f"{broker.slug}: http://{options['domain']} admin {options['admin_email']}"
        )
