"""Limits and stops from the terminal: who acts as whom, and nothing but what was shown."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.allocation.models import ProtectionLimits, ProtectionStop
from apps.core.book.commands import HardStop, LiftStop, SetProtection
from apps.core.book.risk.settings import Protection
from tenants.door import broker_schema
from tests.portals_manager.conftest import Book, order
from tests.portals_manager.fake_engine import FakeEngine
from tests.portals_manager.test_orders import text_of

LIMITS = {"daily_base": "initial"}


def form(**fields: Any) -> dict[str, Any]:
    return {"command_id": str(uuid.uuid4()), **fields}


def test_limits_of_the_master_are_set_in_units_of_its_currency(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    told = form(**LIMITS, stop_equity_minor="25000.50", daily_loss_percent="5")
    answer = manager.post(book.url + "risk/master/limits", told)
    assert answer.status_code == 200, text_of(answer)
    last = engine.executed[-1]
    assert isinstance(last, SetProtection)
    assert (last.scope, last.party, last.account_id) == ("master", "manager", None)
    assert last.protection == Protection(stop_equity_minor=2_500_050, daily_loss_percent=Decimal(5))


def test_an_admin_sets_limits_as_the_broker(
    book: Book, as_user: Callable[[str], Client], engine: FakeEngine
) -> None:
    url = f"{book.url}accounts/{book.links[0].account.public_id}/limits"
    answer = as_user("admin").post(url, form(**LIMITS, max_leverage="10"))
    assert answer.status_code == 200, text_of(answer)
    last = engine.executed[-1]
    assert (last.party, last.account_id) == ("broker", book.links[0].account_id)


def test_the_dialog_opens_with_ones_own_limits_and_names_the_others(
    book: Book, manager: Client
) -> None:
    with broker_schema("acme"):
        for party, limits in (
            ("manager", {"stop_equity_minor": 12_345}),
            ("broker", {"max_leverage": "5"}),
        ):
            ProtectionLimits.objects.create(
                book_id=book.master.public_id, scope="account", party=party, limits=limits,
                account_id=book.links[0].account_id, set_at=timezone.now(), seq=1,
            )  # fmt: skip
    url = f"{book.url}accounts/{book.links[0].account.public_id}/limits"
    page = manager.get(url).content.decode()
    assert 'name="stop_equity_minor" value="123.45"' in page
    assert "broker: leverage ≤ 5" in text_of(manager.get(url))


@pytest.mark.parametrize("value", ["0", "100", "-1", "1e1"])
def test_a_percentage_that_cannot_be_is_refused(
    book: Book, manager: Client, engine: FakeEngine, value: str
) -> None:
    answer = manager.post(book.url + "risk/master/limits", form(**LIMITS, trailing_percent=value))
    assert answer.status_code == 422
    assert "data-error-code" in answer.content.decode()
    assert engine.executed == []


def test_money_is_no_limit_of_every_account(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    page = manager.get(book.url + "risk/every_account/limits").content.decode()
    assert "trailing_percent" in page
    assert "stop_equity_minor" not in page
    assert manager.get(book.url + "risk/account/limits").status_code == 404


def test_a_hard_stop_closes_what_it_showed_or_says_what_changed(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    page = manager.get(book.url + "risk/stop").content.decode()
    token = re.findall(r'name="token" value="([^"]+)"', page)[0].replace("&quot;", '"')
    manager.post(book.url + "orders", order(kind="limit", price="1.05"))
    late = manager.post(book.url + "risk/stop", form(token=token))
    assert late.status_code == 409
    assert 'data-error-code="hard_stop_changed"' in late.content.decode()
    assert "Waiting orders 1" in text_of(late), "and shows what it would close now"
    again = re.findall(r'name="token" value="([^"]+)"', late.content.decode())[0]
    done = manager.post(book.url + "risk/stop", form(token=again.replace("&quot;", '"')))
    assert done.status_code == 200, text_of(done)
    assert isinstance(engine.executed[-1], HardStop)


def test_a_blocked_book_is_shown_and_lifted(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    with broker_schema("acme"):
        ProtectionStop.objects.create(
            id=uuid.uuid4(), book_id=book.master.public_id, reason="manual", party="manager",
            phase="blocked", equity_minor=100, level_minor=0, reference_minor=0, currency="USD",
            triggered_at=timezone.now(), seq=1,
        )  # fmt: skip
    assert "The book is stopped" in text_of(manager.get(book.url + "risk"))
    manager.post(book.url + "risk/lift", form())
    assert isinstance(engine.executed[-1], LiftStop)
