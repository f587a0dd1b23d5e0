"""Two brokers with really committed rows, people in them, and sockets opened at their hosts."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from apps.accounts.models import Link, Master, TradingAccount, User
from apps.allocation.models import Ticket
from apps.engine.models import ProjectionCursor
from config.asgi import application
from tenants.door import broker_schema, public_schema
from tenants.models import Broker
from tenants.services import NewBroker, create_broker
from tests.factories import account, link, master, person, server, symbol
from tests.live.publisher import Publisher

Open = Callable[..., Any]


@dataclass
class Place:
    """One broker: a manager with a book, an investor in it, another manager and investor."""

    slug: str
    master: Master
    link: Link
    sessions: dict[str, str]
    users: dict[str, User]

    @property
    def host(self) -> str:
        return f"{self.slug}.localhost"

    @property
    def book_id(self) -> uuid.UUID:
        return self.master.public_id

    @property
    def account(self) -> TradingAccount:
        return self.link.account

    def publisher(self) -> Publisher:
        return Publisher(self.slug, self.book_id, self.master.account.server_id)

    def put_ticket(self, steps: int = 100, seq: int = 2, **fields: Any) -> int:
        """Project an open ticket of the investor's account at `seq`; its id. Synchronous."""
        with broker_schema(self.slug):
            row = Ticket.objects.create(
                id=Ticket.objects.count() + 1,
                block_id=uuid.uuid4(),
                account_id=self.account.pk,
                symbol="EURUSD",
                side=1,
                steps=steps,
                open_steps=steps,
                volume_step="0.01",
                open_price="1.08400",
                opened_at=timezone.now(),
                seq=seq,
                **fields,
            )
        self.project(seq)
        return row.pk

    def project(self, seq: int) -> None:
        """Move the projection's cursor. Synchronous."""
        with broker_schema(self.slug):
            ProjectionCursor.objects.update_or_create(
                book_id=self.book_id, defaults={"seq": seq, "projected_at": timezone.now()}
            )


def session_of(user: User) -> str:
    """A log-in session of `user` in the open schema, as the log-in view makes it."""
    store = import_module(django_settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = django_settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


def furnish(slug: str) -> Place:
    with broker_schema(slug):
        on = server()
        symbol(on)
        users = {
            "manager": person("manager"),
            "other_manager": person("manager"),
            "investor": person("investor"),
            "other_investor": person("investor"),
            "finance": person("finance"),
            "admin": person("admin"),
        }
        book = master(users["manager"], on=on)
        linked = link(book, users["investor"])
        link(book, users["other_investor"])
        account(users["investor"], on=on)  # the investor's own, linked to nothing
        sessions = {name: session_of(user) for name, user in users.items()}
        return Place(slug, book, linked, sessions, users)


@pytest.fixture(scope="module")
def here(own_broker: Broker) -> Place:
    return furnish(own_broker.slug)


@pytest.fixture(scope="module")
def there(own_broker: Broker, django_db_blocker: DjangoDbBlocker) -> Iterator[Place]:
    """Another broker, as real as `here`."""
    slug = f"u{uuid.uuid4().hex[:10]}"
    made = create_broker(
        NewBroker(
            slug=slug,
            legal_name="There Ltd",
            domain=f"{slug}.localhost",
            admin_email=f"admin@{slug}.example",
        )
    )
    yield furnish(slug)
    with public_schema():
        made.delete(force_drop=True)


@pytest.fixture
def open_socket(here: Place) -> Open:
    """`open_socket(path, who="manager", at=here, host=…, origin=…, session=…)`: not connected."""

    def make(
        path: str,
        who: str = "",
        *,
        at: Place = here,
        host: str = "",
        origin: str | None = None,
        session: str = "",
    ) -> WebsocketCommunicator:
        host = host or f"{at.host}:8001"
        origin = f"http://{at.host}:8000" if origin is None else origin
        key = session or (at.sessions[who] if who else "")
        headers = [(b"host", host.encode())]
        if origin:
            headers.append((b"origin", origin.encode()))
        if key:
            headers.append((b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={key}".encode()))
        return WebsocketCommunicator(application, path, headers=headers)

    return make


@pytest.fixture(autouse=True)
def _development(settings: Any) -> None:
    """Sockets on a port of their own over plain http; pytest turns DEBUG off."""
    settings.DEBUG = True


@pytest_asyncio.fixture(autouse=True)
async def _no_connection_left_behind() -> AsyncIterator[None]:
    """Consumers' database calls run in a thread of their own: its connection is closed too."""
    yield
    await sync_to_async(connections.close_all)()
