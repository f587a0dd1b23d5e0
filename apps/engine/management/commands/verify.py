"""`manage.py verify`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import CorruptionError
from apps.engine.verification import books_of, verify_book
from tenants.door import all_brokers


class Command(BaseCommand):
    help = (
        "Verify journals: recompute every digest and every decision (allocations, closes, P&L)"
        " from the recorded inputs, compare all projected rows with the journal, re-add every"
        " ticket's P&L and every balance operation to the accounts' balances, and compare those"
        " with the trading server where it answers. Changes nothing. Exit status 0 when all is"
        " right, 1 with the first wrong record or row named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--broker", help="slug; all brokers when not given")
        parser.add_argument("--book", type=UUID, help="one book's id; all when not given")
        parser.add_argument(
            "--no-server", action="store_true", help="do not ask the trading server"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        seen = 0
        for broker in [options["broker"]] if options["broker"] else all_brokers():
            for book_id in books_of(broker):
                if options["book"] in (None, book_id):
                    seen += 1
                    wrong += not self._verify(broker, book_id, not options["no_server"])
        if options["book"] and not seen:
            raise CommandError(f"There is no journal of a book {options['book']}.")
        if wrong:
            raise CommandError(f"{wrong} of {seen} books are WRONG.")
        self.stdout.write(f"{seen} books verified.")

    def _verify(self, broker: str, book_id: UUID, with_server: bool) -> bool:
        try:
            report = verify_book(broker, book_id, with_server=with_server)
        except CorruptionError as error:
            self.stderr.write(f"{broker} {book_id}: WRONG ({error.code}): {error.message}")
            return False
        counts = ", ".join(f"{name} {count}" for name, count in report.counts.items())
        self.stdout.write(
            f"{broker} {book_id}: {report.records} records, {report.projected} projected,"
            f" {report.accounts} accounts, server {report.server}, {report.seconds:.2f} s\n"
            f"    {counts}"
        )
        return True
