"""`manage.py status`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.engine.differences import reconciled
from apps.engine.status import engine_status
from tenants.door import all_brokers


class Command(BaseCommand):
    help = (
        "Show for each broker whether its books are served, how far projections lag, and every"
        " difference between a book and its trading server with the time it was first seen. Exit"
        " status 0 when all books are served, were compared lately, and nothing differs; else 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--broker", help="slug; all brokers when not given")

    def handle(self, *args: Any, **options: Any) -> None:
        brokers = [options["broker"]] if options["broker"] else all_brokers()
        bad = [broker for broker in brokers if not self._shown(broker)]
        if bad:
            raise CommandError(f"{len(bad)} of {len(brokers)} need attention: {', '.join(bad)}.")

    def _shown(self, broker: str) -> bool:
        engine, books = engine_status(broker), reconciled(broker)
        self.stdout.write(
            f"{broker}: {engine.books_served} of {engine.books} books served by"
            f" {', '.join(engine.owners) or 'nobody'}; {engine.journal_lag} records not projected;"
            f" differences: {books.count or books.state}"
        )
        for run in books.runs:
            when = "never compared" if run.age_s is None else f"compared {run.age_s:.0f} s ago"
            stale = " (stale)" if run.is_stale and run.age_s is not None else ""
            self.stdout.write(f"    {run.master}: {when}{stale}")
        for row in books.rows:
            what = f"{row.kind} {row.ticket_id or ''}".strip()
            self.stdout.write(
                f"    ! {row.master}, login {row.login}, {what}: {row.found} at the server,"
                f" {row.expected} here, since {row.first_seen_at:%Y-%m-%d %H:%M:%S} UTC"
                f" ({row.age_s:.0f} s)"
            )
        return engine.is_up and books.state == "none"
