"""manage.py seed_demo"""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import ProrataError
from apps.demo.seed import seed, seed_blocks


class Command(BaseCommand):
    help = (
        "Make the demo: brokers acme and globex with people, masters, accounts on the simulator, "
        "links and a few blocks. The simulator and the engine must be running. Safe to repeat. "
        "Exit status 0 when the demo is complete."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="last line: the log-ins as JSON")
        parser.add_argument("--no-blocks", action="store_true", help="people and accounts only")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            logins = seed(self.stdout.write)
            if not options["no_blocks"]:
                seed_blocks(self.stdout.write)
        except ProrataError as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        if options["json"]:
            self.stdout.write(json.dumps({"logins": logins}))
            return
        for login in logins:
            self.stdout.write("{url} {role}: {email} / {password}".format(**login))
