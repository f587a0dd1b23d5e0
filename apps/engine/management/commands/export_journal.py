"""`manage.py export_journal`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.engine.export import export_lines
from apps.engine.verification import books_of
from tenants.door import all_brokers


class Command(BaseCommand):
    help = (
        "Write one book's journal to FILE as lines of JSON, every record with its digest, for"
        " scripts/auditor/verify_journal.py (docs/auditing.md). FILE must not exist. Changes"
        " nothing in the database; may run while the book trades."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--broker", required=True, help="slug")
        parser.add_argument("--book", type=UUID, required=True, help="the book's id")
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        broker, book_id, path = options["broker"], options["book"], options["file"]
        if broker not in all_brokers():
            raise CommandError(f"There is no broker {broker!r}.")
        if book_id not in books_of(broker):
            raise CommandError(f"There is no journal of a book {book_id}.")
        last = ""
        try:
            with path.open("x", encoding="utf-8") as file:
                for last in export_lines(broker, book_id):
                    file.write(last + "\n")
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        self.stdout.write(f"{path}: {last}")
