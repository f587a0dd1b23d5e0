"""`manage.py replay_quotes`: real quotes from files into the simulator."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import ProrataError
from apps.servers.simulator import quotefiles
from apps.servers.simulator.replay import replay
from apps.servers.simulator.symbols import SYMBOLS


class Command(BaseCommand):
    help = (
        "Replays quote files (M1 bid/ask pairs, ticks; .csv or .csv.gz) into the simulator at "
        "SIM_URL. All files are checked first: a bad row stops with its file and line number "
        "before anything is fed. While the replay runs, generated quotes of its symbols pause. "
        "Exit status: 0 all fed, 1 refused or failed, 130 stopped by Ctrl-C."
    )

    requires_system_checks = ()  # it needs nothing but the simulator's address

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, help="files, or directories of them")
        parser.add_argument(
            "--speed",
            type=float,
            default=1.0,
            help="60: an hour in a minute; 0: without pauses (default 1)",
        )
        parser.add_argument(
            "--symbol", choices=sorted(SYMBOLS), help="instead of guessing from the file names"
        )
        parser.add_argument(
            "--skip-bad", action="store_true", help="leave bad rows out and count them"
        )
        parser.add_argument(
            "--max-gap-s",
            type=float,
            default=30.0,
            help="longest real wait between two quotes: nights and weekends are cut (default 30)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            files = quotefiles.load(
                options["paths"], symbol=options["symbol"], skip_bad=options["skip_bad"]
            )
            for file in files:
                self.stdout.write(describe(file))
            summary = asyncio.run(
                replay(
                    files,
                    url=settings.SIM_URL,
                    speed=options["speed"],
                    max_gap_s=options["max_gap_s"],
                    admin_token=os.environ.get("SIM_ADMIN_TOKEN", ""),
                )
            )
        except ProrataError as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        except KeyboardInterrupt as error:
            raise CommandError("stopped", returncode=130) from error
        self.stdout.write(
            f"fed {summary.ticks} quotes of {', '.join(summary.symbols)} "
            f"in {summary.elapsed_s:.1f} s"
        )


def describe(file: quotefiles.QuoteFile) -> str:
    names = " + ".join(path.name for path in file.paths)
    return (
        f"{names}: {file.symbol}, {len(file.ticks)} quotes, {file.skipped_rows} rows skipped, "
        f"{file.unpaired_minutes} unpaired minutes, {file.crossed_ticks} crossed quotes uncrossed"
    )
