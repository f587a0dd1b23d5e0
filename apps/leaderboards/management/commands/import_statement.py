"""`manage.py import_statement`: a real MetaTrader 4 statement becomes a master's track record."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Master
from apps.core.errors import ProrataError
from apps.leaderboards.board import refresh_board
from apps.leaderboards.importing import Reading, read, store
from tenants.door import broker_schema
from tenants.errors import TenantError


class Command(BaseCommand):
    help = (
        "Read a MetaTrader 4 detailed statement (HTML), recompute every figure of its summary from"
        " its rows and every profit that its prices alone determine, and store it as the track"
        " record of a master, which its broker's leaderboard then shows. Importing the same file"
        " again changes nothing. Exit status: 0 stored"
        " or already there (or sound, with --dry-run); 1 the file is damaged or does not agree"
        " with itself, or the master is unknown: nothing is stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the statement, .htm")
        parser.add_argument("--broker", required=True, help="the broker's slug")
        parser.add_argument("--master", required=True, help="the master's name or id")
        parser.add_argument(
            "--utc-offset",
            default="+00:00",
            help="the trading server's zone, which the file does not state, such as +03:00",
        )
        parser.add_argument("--dry-run", action="store_true", help="check only, store nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        offset_minutes = _offset(options["utc_offset"])
        path: Path = options["file"]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CommandError(f"file_unreadable: {path}: {error.strerror}") from error
        try:
            with broker_schema(options["broker"]) as broker:
                master = _master(options["master"])
                reading = read(data)
                self._table(reading)
                if options["dry_run"]:
                    if reading.disagreements:
                        raise CommandError(_sentences(reading))
                    self.stdout.write("Sound. Dry run: nothing stored.")
                    return
                record, is_new = store(reading, master, utc_offset_minutes=offset_minutes)
                trades = record.trades.filter(state="closed").count()
                refresh_board(broker.base_currency)
        except TenantError as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        except ProrataError as error:
            raise CommandError(f"{error.code}: {error.message} Nothing was stored.") from error
        self.stdout.write(
            f"Stored {trades} closed trades as {record.public_id} of {master.name}."
            if is_new
            else f"This file is {record.public_id} of {master.name} already: nothing changed."
        )

    def _table(self, reading: Reading) -> None:
        statement = reading.statement
        self.stdout.write(
            f"Account {statement.account}, {statement.currency}: {len(statement.closed)} closed"
            f" trades, {len(statement.cancelled)} cancelled orders, {len(statement.flows)} balance"
            f" operations, {len(statement.open)} open trades, {len(statement.working)} working"
            f" orders\n\n{'figure':<38}{'file':>18}{'recomputed':>18}"
        )
        for line in reading.figures:
            mark = "" if line.agrees else "   DIFFERS"
            note = f"   {line.note}" if line.note else ""
            shown = line.recomputed or "—"
            self.stdout.write(f"{line.label.rstrip(':'):<38}{line.file:>18}{shown:>18}{mark}{note}")
        counts = Counter(price.result for price in reading.prices)
        self.stdout.write(
            f"\nProfit from prices alone: {counts['agrees']} to the same cent,"
            f" {counts['differs']} different; {counts['needs_rate']} crosses need a rate the file"
            f" does not hold, {counts['not_fx']} are not FX"
        )
        for price in reading.prices:
            trade = price.trade
            if price.result == "differs":
                self.stdout.write(f"  #{trade.ticket}: {trade.profit}, prices give {price.profit}")
            elif price.result == "needs_rate":
                self.stdout.write(
                    f"  #{trade.ticket} {trade.symbol} {trade.profit}: implies"
                    f" {trade.symbol[3:6]}{statement.currency} {price.implied_rate}"
                )
        self.stdout.write("")


def _master(name_or_id: str) -> Master:
    by_name = list(Master.objects.filter(name=name_or_id)[:2])
    if len(by_name) > 1:
        raise CommandError(f"master_ambiguous: several masters are called {name_or_id!r}; use ids.")
    if by_name:
        return by_name[0]
    found = None
    if re.fullmatch(r"[0-9a-fA-F-]{32,36}", name_or_id):
        found = Master.objects.filter(public_id=name_or_id).first()
    if found is None:
        raise CommandError(f"master_unknown: this broker has no master {name_or_id!r}.")
    return found


def _offset(text: str) -> int:
    found = re.fullmatch(r"([+-])(0\d|1[0-4]):([0-5]\d)", text)
    if not found:
        raise CommandError(f"utc_offset: {text!r} is not an offset like +03:00.")
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def _sentences(reading: Reading) -> str:
    return "statement_disagrees: " + "; ".join(reading.disagreements) + "."
