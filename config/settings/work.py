"""Celery, e-mail, the API, the trading-server simulator."""

from urllib.parse import parse_qs, urlsplit

from config.settings.database import REDIS_URL
from config.settings.env import DEBUG, env

__all__ = [
    "CELERY_BEAT_SCHEDULER", "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP", "CELERY_BROKER_URL",
    "CELERY_RESULT_BACKEND", "CELERY_TASK_ACKS_LATE", "CELERY_TASK_ALWAYS_EAGER",
    "CELERY_TASK_TIME_LIMIT", "CELERY_TIMEZONE", "DATA_UPLOAD_MAX_MEMORY_SIZE",
    "DEFAULT_FROM_EMAIL", "EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_HOST_PASSWORD", "EMAIL_HOST_USER",
    "EMAIL_PORT", "EMAIL_TIMEOUT", "EMAIL_USE_SSL", "EMAIL_USE_TLS", "REST_FRAMEWORK", "SIM_URL",
    "SPECTACULAR_SETTINGS",
]  # fmt: skip


def celery_url(redis_url: str) -> str:
    """Celery spells a Redis unix socket `redis+socket://PATH?virtual_host=N`."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    number = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={number}"


CELERY_BROKER_URL = celery_url(REDIS_URL)
CELERY_RESULT_BACKEND = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
_mail = env.email_url("EMAIL_URL", default="smtp://127.0.0.1:8025" if DEBUG else "smtp://localhost")
EMAIL_HOST = _mail["EMAIL_HOST"]
EMAIL_PORT = _mail["EMAIL_PORT"]
EMAIL_HOST_USER = _mail["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="no-reply@localhost")

# Where the simulator trading server listens: tcp://host:port or unix:path.
SIM_URL: str = env.str("SIM_URL", default="tcp://127.0.0.1:8002")

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576  # a request body over 1 MiB is refused

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Prorata API",
    "DESCRIPTION": "Place blocks, read allocations. Keys belong to one person of one broker.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVERS": [],
}
