"""Celery: every task runs in the schema of the broker that its headers name."""

import os

from tenant_schemas_celery.app import CeleryApp

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = CeleryApp("prorata")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = {
    "platform: schedules": {
        "task": "platform.ensure_schedules",
        "schedule": 60.0,
        "options": {"headers": {"_schema_name": "public"}},
    },
    "platform: revenue": {
        "task": "platform.revenue",
        "schedule": 3600.0,
        "options": {"headers": {"_schema_name": "public"}},
    },
}
app.autodiscover_tasks()
app.autodiscover_tasks(["config"])
