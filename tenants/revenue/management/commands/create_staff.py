"""manage.py create_staff"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from tenants.revenue.staff import set_password


class Command(BaseCommand):
    help = (
        "Create a member of the platform's staff, or give another password: the log-in of /staff/ "
        "on the platform's own host. The password is read from standard input. Exit status 0 when "
        "the member exists afterwards, 1 with one line that says why not."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
        try:
            validate_email(options["email"])
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(str(set_password(options["email"], password)))
