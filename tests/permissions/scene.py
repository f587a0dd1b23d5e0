"""What the walk walks on: at a broker one of everything, of one manager and one investor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.api_keys import create_key
from apps.accounts.models import User
from apps.allocation.models import Block
from apps.billing.models import Document, FeeRun, LedgerAccount
from apps.billing.periods import Period
from apps.billing.services.runs import run_fees
from tenants.door import broker_schema
from tests.billing.history import History, plan
from tests.factories import person, symbol
from tests.permissions import table as t
from tests.permissions.addresses import AT_A_BROKER, arguments_of

PERIOD = Period("2026-10", datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Scene:
    """`people` by the table's names, `keys` their texts, `ids` what addresses are filled with."""

    slug: str
    foreign_slug: str
    people: dict[str, User]
    stranger: User
    keys: dict[str, str]
    ids: dict[str, object]

    def client(self, who: str) -> Client:
        """A browser at the broker's host; the stranger brings a session of their own broker."""
        client = Client(headers={"host": f"{self.slug}.localhost"})
        if who == t.FOREIGN:
            theirs = Client(headers={"host": f"{self.foreign_slug}.localhost"})
            with broker_schema(self.foreign_slug):
                theirs.force_login(self.stranger)
            client.cookies = theirs.cookies
        elif who != t.ANON:
            with broker_schema(self.slug):
                client.force_login(self.people[who])
        return client

    def path(self, row: t.Row) -> str:
        """The row's address, filled in."""
        known = self.ids | {"public_id": self.ids.get(row.of)}
        if row.name == "account_reset_password_from_key":
            known |= {"key": "set-password"}
        wanted = arguments_of(AT_A_BROKER, row.name)
        path = reverse(row.name, AT_A_BROKER, kwargs={name: known[name] for name in wanted})
        asked = t.QUERIES.get(row.name)
        return f"{path}?{asked}={self.ids[asked]}" if asked else path


def make_scene(slug: str = "acme", foreign_slug: str = "globex") -> Scene:
    """One of everything at `slug`, a stranger at `foreign_slug`."""
    with broker_schema(foreign_slug):
        stranger = person("admin")
        _, foreign_key = create_key(stranger, person("manager"), "theirs", ["read", "trade"])
    with broker_schema(slug):
        history = _history()
        people = _people(history)
        keys = {t.FOREIGN_KEY: foreign_key}
        made = {}
        for name, owner, scopes in (
            (t.READ_KEY, t.MANAGER, ["read"]),
            (t.TRADE_KEY, t.MANAGER, ["read", "trade"]),
            (t.SIBLING_KEY, t.OTHER_MANAGER, ["read", "trade"]),
        ):
            made[name], keys[name] = create_key(people[t.ADMIN], people[owner], name, scopes)
        ids = _ids(history) | {
            "person": people[t.OTHER_INVESTOR].public_id,
            "key": made[t.SIBLING_KEY].public_id,
        }
    return Scene(slug, foreign_slug, people, stranger, keys, ids)


def _history() -> History:
    history = History(1_000_000)
    plan(history.master)
    symbol(history.link.account.server)
    history.realise("2026-10-10 12:00", 50_000)
    run_fees(PERIOD, now=datetime(2027, 12, 1, tzinfo=UTC))
    return history


def _people(history: History) -> dict[str, User]:
    return {
        t.ADMIN: person("admin"),
        t.FINANCE: person("finance"),
        t.NO_ROLE: _without_role(),
        t.MANAGER: history.master.manager,
        t.OTHER_MANAGER: person("manager"),
        t.INVESTOR: history.investor,
        t.OTHER_INVESTOR: person("investor"),
    }


def _without_role() -> User:
    """Somebody whose last role was taken away."""
    made = person("investor")
    User.objects.filter(pk=made.pk).update(roles=[])
    made.refresh_from_db()
    return made


def _ids(history: History) -> dict[str, object]:
    document = Document.objects.get()
    return {
        "master": history.master.public_id,
        "book_id": history.master.public_id,
        "block_id": _block(history).id,
        "account_id": history.link.account.public_id,
        "link_id": history.link.public_id,
        "document_id": document.public_id,
        "document": document.public_id,
        "run": FeeRun.objects.get().public_id,
        "currency": "USD",
        "code": LedgerAccount.objects.create(code="house", currency="USD", type="asset").code,
        "number": document.reference,
        "version": 1,
        "uidb36": "1",
        "key": "set-password",
        "slug": "prorata",
        "digest": document.data_sha256,
        "symbol": "EURUSD",
        "account": history.link.account.public_id,
    }


def _block(history: History) -> Block:
    return Block.objects.create(
        id=uuid.uuid4(),
        book_id=history.master.public_id,
        command_id=uuid.uuid4(),
        symbol="EURUSD",
        side=1,
        type="market",
        state="open",
        volume_step=Decimal("0.01"),
        digits=5,
        requested_steps=100,
        volume_steps=99,
        filled_steps=99,
        open_steps=99,
        open_price=Decimal("1.08552"),
        placed_at=timezone.now(),
        seq=4,
    )
