"""manage.py ensure_schedules"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.billing.schedules import ensure_schedules


class Command(BaseCommand):
    help = (
        "Create or correct the recurring jobs of every broker (fee runs, collection, mail) in the "
        "public schema. Safe to repeat. Exit status 0 when all exist."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ensure_schedules():
            self.stdout.write(name)
