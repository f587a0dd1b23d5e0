"""manage.py check_ledger"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.billing.selectors.checking import findings, rules
from tenants.door import all_brokers, broker_schema
from tenants.errors import TenantError


class Command(BaseCommand):
    help = (
        "Check a broker's books, or those of all: every entry balances, fees charged are shares"
        " given, what is owed is what was charged and not collected, what was collected moved on"
        " the trading server, no window was charged twice. Exit status 0: all agree; 4: something"
        " differs, each difference is printed; 1: there is no such broker."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--broker", help="slug, e.g. acme; all brokers when none is named")

    def handle(self, *args: Any, **options: Any) -> None:
        slugs = [options["broker"]] if options["broker"] else all_brokers()
        wrong = 0
        for slug in slugs:
            try:
                with broker_schema(slug):
                    found = findings()
            except TenantError as error:
                raise CommandError(f"{error.code}: {error.message}") from error
            for one in found:
                self.stdout.write(
                    f"{slug}: {one.rule}: {one.what}: expected {one.expected}, found {one.found}"
                )
            if not found:
                self.stdout.write(f"{slug}: {len(rules())} rules hold")
            wrong += len(found)
        if wrong:
            sys.exit(4)
