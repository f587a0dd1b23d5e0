"""manage.py prepare_database"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tenants.services import prepare_database


class Command(BaseCommand):
    help = (
        "Create or migrate the public schema, the template schema and every broker's schema. "
        "Safe to repeat. Exit status 0 when all are up to date."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for line in prepare_database(settings.PUBLIC_HOST):
            self.stdout.write(line)
