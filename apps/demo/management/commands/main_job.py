"""`manage.py main_job`: what `scripts/run --smoke` proves."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import ProrataError
from apps.demo.main_job_checks import Check, check_all
from apps.demo.main_job_setup import make_stage
from apps.demo.main_job_trade import Trader, Trades, kill_engine


class Command(BaseCommand):
    help = (
        "The main job: a fresh master with many sub-accounts of different size and currency on the"
        " simulator; blocks opened, part-closed and closed through the engine; the engine killed"
        " with -9 in the middle (its process id is read from the file that ENGINE_PID_FILE names;"
        " whoever started it must start it again); then every sum checked: allocations, prices,"
        " P&L, balances here and on the server, the journal. Needs the simulator and the engine"
        " running. Exit status 0 when everything holds, 1 when not."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--broker", default="acme", help="slug; created when missing")
        parser.add_argument("--accounts", type=int, default=1000)
        parser.add_argument("--blocks", type=int, default=100)
        parser.add_argument("--seed", type=int, help="of sizes and orders; random when not given")
        parser.add_argument("--no-kill", action="store_true", help="let the engine live")
        parser.add_argument("--json", action="store_true", help="last line: one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["no_kill"] and not os.environ.get("ENGINE_PID_FILE"):
            raise CommandError("Set ENGINE_PID_FILE to the engine's pid file, or say --no-kill.")
        if options["accounts"] < 1 or options["blocks"] < 1:
            raise CommandError("--accounts and --blocks are at least 1.")
        seed = options["seed"] if options["seed"] is not None else secrets.randbits(31)
        began_s = time.monotonic()
        self.stdout.write(f"main job: seed {seed}")
        try:
            trades, checks, seconds = self._run(options, seed)
        except (ProrataError, TimeoutError) as error:
            raise CommandError(f"the main job broke off: {error}") from error
        self._tell(trades, checks, seconds, time.monotonic() - began_s)
        ok = all(check.ok for check in checks)
        if options["json"]:
            self.stdout.write(json.dumps(_summary(options, seed, trades, checks, seconds)))
        if not ok:
            raise CommandError("the main job FAILED")

    def _run(
        self, options: dict[str, Any], seed: int
    ) -> tuple[Trades, list[Check], dict[str, float]]:
        marks = [time.monotonic()]
        stage = make_stage(options["broker"], options["accounts"], seed, self.stdout.write)
        marks.append(time.monotonic())
        self.stdout.write(f"trading {options['blocks']} blocks")
        trader = Trader(stage, options["blocks"], seed)
        trades = trader.play(None if options["no_kill"] else lambda: kill_engine(stage))
        marks.append(time.monotonic())
        self.stdout.write("checking")
        checks = check_all(stage, trades, options["blocks"])
        marks.append(time.monotonic())
        names = ("setup", "trading", "checking")
        spent = [after - before for before, after in itertools.pairwise(marks)]
        return trades, checks, dict(zip(names, spent, strict=True))

    def _tell(
        self, trades: Trades, checks: list[Check], seconds: dict[str, float], total_s: float
    ) -> None:
        acks = sorted(trades.ack_ms)
        if acks:
            self.stdout.write(
                f"{len(acks)} commands acknowledged, median {acks[len(acks) // 2]:.1f} ms;"
                f" asked again after no answer: {trades.unknown}"
            )
        if trades.refused:
            self.stdout.write(f"refused by rule: {trades.refused}")
        if trades.killed:
            self.stdout.write(
                f"engine killed -9 half way, served again after {trades.takeover_s:.1f} s"
            )
        for check in checks:
            self.stdout.write(f"  {'ok  ' if check.ok else 'FAIL'} {check.name}: {check.detail}")
        spent = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        self.stdout.write(f"{total_s:.1f} s in all ({spent})")


def _summary(
    options: dict[str, Any],
    seed: int,
    trades: Trades,
    checks: list[Check],
    seconds: dict[str, float],
) -> dict[str, Any]:
    return {
        "ok": all(check.ok for check in checks),
        "seed": seed,
        "accounts": options["accounts"],
        "blocks": options["blocks"],
        "opened": len(trades.opened),
        "acknowledged": len(trades.acknowledged),
        "asked_again": trades.unknown,
        "killed": trades.killed,
        "takeover_s": round(trades.takeover_s, 2),
        "checks": {check.name: check.ok for check in checks},
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }
