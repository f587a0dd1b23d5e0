"""manage.py connect_simulator"""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import ProrataError
from apps.demo.server import demo_server
from tenants.door import broker_schema
from tenants.errors import TenantError


class Command(BaseCommand):
    help = (
        "Give a broker a named server of its own on the running simulator (SIM_URL), so that its "
        "office can open masters and accounts. Safe to repeat. Exit status 0 when it is connected, "
        "1 with one line that says why not."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("broker", help="the broker's slug")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with broker_schema(options["broker"]):
                server = demo_server(options["broker"])
        except (TenantError, ProrataError) as error:
            raise CommandError(f"{error.code}: {error.message}") from error
        self.stdout.write(f"{options['broker']}: {server.name} at {server.config['url']}")
