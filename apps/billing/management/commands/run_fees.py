"""manage.py run_fees"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Link
from apps.billing.broker import broker_now
from apps.billing.models import FeeRun
from apps.billing.periods import Period, period_of, until
from apps.billing.services.collect import collect_due
from apps.billing.services.run_documents import issue_missing_documents
from apps.billing.services.runs import RunResult, run_fees
from apps.core.errors import InputError
from tenants.door import broker_schema
from tenants.errors import TenantError
from tenants.figures import Marks, money_text

PLAIN = Marks()
SHOWN = 50


class Command(BaseCommand):
    help = (
        "Settle the fees of a period: charge every link once, post the ledger, issue the "
        "statements, queue their e-mail, take the money through the engine. Safe to repeat: what "
        "was charged stays as it is. Exit status 0: posted and every outcome known; 3: posted, "
        "the outcome of some collections is not known yet (the worker asks again); 1: nothing "
        "was posted and one line says why."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--broker", required=True, help="slug, e.g. acme")
        parser.add_argument(
            "--period",
            required=True,
            help="a period of the broker: 2026-10, 2026-Q4, 2026-W43 or 2026-10-21",
        )
        parser.add_argument(
            "--until",
            type=datetime.fromisoformat,
            help="settle only up to this moment of the month, e.g. 2026-10-15T12:00:00+00:00",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="show every figure, write nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with broker_schema(options["broker"]):
                unknown = self._run(options)
        except (InputError, TenantError) as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        if unknown:
            sys.exit(3)

    def _run(self, options: dict[str, Any]) -> int:
        """The number of collections whose outcome is not known."""
        result = run_fees(_period(options), dry_run=options["dry_run"])
        self._show(result)
        if result.dry_run:
            self.stdout.write("dry run: nothing was written")
            return 0
        issue_missing_documents(broker_now())
        taken = collect_due(FeeRun.objects.get(key=result.period.key).pk)
        self.stdout.write(
            f"money: {taken.collected} collected, {taken.receivable} outstanding, "
            f"{taken.unknown} not known yet"
        )
        return taken.unknown

    def _show(self, result: RunResult) -> None:
        links = Link.objects.select_related("account", "master").in_bulk(
            [charge.window.link_id for charge in result.charges[:SHOWN]]
        )
        for charge in result.charges[:SHOWN]:
            link, figures, currency = (
                links[charge.window.link_id],
                charge.figures,
                charge.window.currency,
            )
            mark = money_text(int(charge.hwm_opening), currency, PLAIN)
            self.stdout.write(
                f"{link.account.login} {link.master.name}: equity "
                f"{money_text(figures.equity_minor, currency, PLAIN)} mark {mark} fee "
                f"{money_text(figures.fee_minor, currency, PLAIN)} {currency}"
            )
        if len(result.charges) > SHOWN:
            self.stdout.write(f"… and {len(result.charges) - SHOWN} more")
        totals = ", ".join(
            f"{money_text(total, currency, PLAIN)} {currency}"
            for currency, total in result.fee_minor.items()
        )
        self.stdout.write(
            f"{result.period.key}: {len(result.charges)} charged ({totals or 'no fees'}), "
            f"{result.already} before"
        )


def _period(options: dict[str, Any]) -> Period:
    whole = period_of(options["period"], ZoneInfo(broker_now().time_zone))
    return until(whole, options["until"]) if options["until"] else whole
