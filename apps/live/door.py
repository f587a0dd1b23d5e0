"""Who is at the socket: the broker by the handshake's host, the user by that broker's session.

Cookies are sent by browsers from any page, so the Origin must be one of the broker's own domains.
Each database call of a consumer goes through `in_schema`: sync calls share a thread, so a schema
set once at connect would be the next socket's schema too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from apps.accounts.models import User
from tenants.door import broker_schema, public_schema
from tenants.models import Broker, Domain

T = TypeVar("T")
NOT_LOGGED_IN, FORBIDDEN, UNKNOWN, TOO_SLOW, TOO_MANY = 4401, 4403, 4404, 4408, 4429


class RefusedError(Exception):
    """The socket is closed with `close_code`; `code` is its stable reason."""

    def __init__(self, close_code: int, code: str) -> None:
        super().__init__(code)
        self.close_code = close_code
        self.code = code


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the headers say, unproved."""

    host: str
    origin: str
    session_key: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """A user of one broker, proved."""

    broker: str
    user_id: int
    session_key: str


def read_handshake(scope: dict[str, Any]) -> Handshake:
    """Host, Origin and session cookie of the handshake."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    cookies = SimpleCookie()
    try:
        cookies.load(headers.get(b"cookie", ""))
    except CookieError:
        cookies.clear()
    session = cookies.get(settings.SESSION_COOKIE_NAME)
    return Handshake(
        host=headers.get(b"host", "").lower(),
        origin=headers.get(b"origin", ""),
        session_key=session.value if session else "",
    )


async def admit(handshake: Handshake) -> Visitor:
    """Prove the handshake. Raises RefusedError: 4404 host, 4403 origin, 4401 session."""
    return cast(Visitor, await database_sync_to_async(_admit)(handshake))


async def in_schema(broker: str, work: Callable[[], T]) -> T:
    """Run `work` (ORM, synchronous) inside the broker's schema and nothing else's."""
    return cast(T, await database_sync_to_async(_inside)(broker, work))


def _inside(broker: str, work: Callable[[], T]) -> T:
    with broker_schema(broker):
        return work()


def _admit(handshake: Handshake) -> Visitor:
    broker, domains = _broker_at(_name(handshake.host))
    if not origin_is_own(handshake, domains):
        raise RefusedError(FORBIDDEN, "foreign_origin")
    with broker_schema(broker):
        user = user_of_session(handshake.session_key)
        if user is None:
            raise RefusedError(NOT_LOGGED_IN, "not_logged_in")
        return Visitor(broker, user.pk, handshake.session_key)


def _broker_at(host: str) -> tuple[str, frozenset[str]]:
    with public_schema():
        domain = Domain.objects.select_related("tenant").filter(domain=host).first()
        if (
            domain is None
            or not domain.tenant.is_broker
            or domain.tenant.status == Broker.Status.SUSPENDED
        ):
            raise RefusedError(UNKNOWN, "host_unknown")
        own = Domain.objects.filter(tenant=domain.tenant).values_list("domain", flat=True)
        return domain.tenant.slug, frozenset(own)


def user_of_session(session_key: str) -> User | None:
    """The active user whose session this is, in the open schema (its password hash checked)."""
    if not session_key:
        return None
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=store)))
    return user if isinstance(user, User) and user.is_active else None


def origin_is_own(handshake: Handshake, domains: frozenset[str]) -> bool:
    """True when the page that opens the socket is one of the broker's own.

    With DEBUG the sockets have a port of their own, so any port and plain http will do; else the
    origin must be https at exactly the handshake's host and port.
    """
    try:
        origin = urlsplit(handshake.origin)
        name = origin.hostname or ""
    except ValueError:
        return False
    if name not in domains:
        return False
    if settings.DEBUG:
        return origin.scheme in ("http", "https")
    return origin.scheme == "https" and origin.netloc.lower() == handshake.host


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
