"""`manage.py refresh_leaderboards`: compute the boards now, and have them computed by schedule."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.leaderboards.board import refresh_board
from apps.leaderboards.schedule import ensure_schedule
from tenants.door import all_brokers, broker_schema
from tenants.errors import TenantError


class Command(BaseCommand):
    help = (
        "Compute the leaderboard of one broker or of all, and put its job into the schedule of"
        " beat. Exit status 1 when the broker is unknown."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--broker", help="the broker's slug; all brokers without it")

    def handle(self, *args: Any, **options: Any) -> None:
        slugs = [options["broker"]] if options["broker"] else all_brokers()
        for slug in slugs:
            try:
                with broker_schema(slug) as broker:
                    rows = refresh_board(broker.base_currency)
            except TenantError as error:
                raise CommandError(f"{error.code}: {error.message}") from error
            ensure_schedule(slug)
            self.stdout.write(f"{slug}: {rows} rows")
