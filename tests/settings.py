"""The product's settings, with a Redis database of its own for each test worker."""

import os
from urllib.parse import parse_qs, urlsplit, urlunsplit


def _redis_for_worker(url: str, worker: str) -> str:
    number = int(worker.removeprefix("gw") or 0) if worker.startswith("gw") else 0
    parts = urlsplit(url)
    if parts.scheme == "unix":
        base = int(parse_qs(parts.query).get("db", ["0"])[0])
        return f"unix://{parts.path}?db={(base + number) % 16}"
    base = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{(base + number) % 16}"))


os.environ.setdefault("DEBUG", "1")
os.environ["REDIS_URL"] = _redis_for_worker(
    os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
    os.environ.get("PYTEST_XDIST_WORKER", ""),
)

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
