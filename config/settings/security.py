"""Secure when DEBUG is off; what a plain-HTTP development machine needs when it is on."""

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.settings.env import DEBUG, env

__all__ = [
    "ALLOWED_HOSTS", "CONTENT_SECURITY_POLICY", "CSRF_COOKIE_SECURE", "FIELD_KEY", "LIVE_PORT",
    "SECRET_KEY", "SECURE_CROSS_ORIGIN_OPENER_POLICY", "SECURE_HSTS_INCLUDE_SUBDOMAINS",
    "SECURE_HSTS_PRELOAD", "SECURE_HSTS_SECONDS", "SECURE_PROXY_SSL_HEADER",
    "SECURE_REDIRECT_EXEMPT", "SECURE_REFERRER_POLICY", "SECURE_SSL_REDIRECT",
    "SESSION_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE", "SESSION_COOKIE_SECURE", "WEB_PORT",
    "X_FRAME_OPTIONS",
]  # fmt: skip

_DEV_KEY = "development-only-key-never-used-when-DEBUG-is-off-0123456789"


def _secret(name: str) -> str:
    """`name` from the environment; a fixed development value only when DEBUG is on."""
    value = env.str(name, default=_DEV_KEY if DEBUG else "")
    if not value:
        raise ImproperlyConfigured(f"{name} must be set in the environment when DEBUG is off.")
    return value


SECRET_KEY = _secret("SECRET_KEY")
# Seals credentials of trading servers at rest; rotate apart from SECRET_KEY.
FIELD_KEY = _secret("FIELD_KEY")

# The Domain table is the allow-list: a host that no broker owns gets 404 before any view runs.
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["*"])

WEB_PORT: int = env.int("PORT", default=8000)
# Sockets: 0 means the same origin as the pages (a proxy routes /ws/ to the live process).
LIVE_PORT: int = env.int("LIVE_PORT", default=8001 if DEBUG else 0)

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if not DEBUG else None
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

_CONNECT = [SELF, *([f"ws://*:{LIVE_PORT}"] if LIVE_PORT and DEBUG else [])]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": _CONNECT,
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
