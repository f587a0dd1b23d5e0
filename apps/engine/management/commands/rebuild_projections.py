"""`manage.py rebuild_projections`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.engine.projection import Projection
from apps.engine.projector import connect
from apps.engine.verification import books_of


class Command(BaseCommand):
    help = (
        "Delete a broker's projected rows (blocks, allocations, tickets, deals, cash flows,"
        " account states) and make them again from the journal, one transaction per book: readers"
        " see the old rows or the new ones. Links, bars and equity curves are left alone. Exit"
        " status 0 when done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--broker", required=True, help="slug")
        parser.add_argument("--book", type=UUID, help="one book's id; all when not given")

    def handle(self, *args: Any, **options: Any) -> None:
        books = books_of(options["broker"])
        if options["book"]:
            if options["book"] not in books:
                raise CommandError(f"There is no journal of a book {options['book']}.")
            books = [options["book"]]
        with connect() as connection:
            projection = Projection(connection, options["broker"], with_links=False)
            for book_id in books:
                count = projection.rebuild(book_id)
                self.stdout.write(f"{options['broker']} {book_id}: {count} records projected")
