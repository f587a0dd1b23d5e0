"""Equity as of now: the engine's frame beats a record that a close left behind, no newer one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import numpy as np
import pytest
import redis
from django.conf import settings
from django.utils import timezone

from apps.accounts.models import Master
from apps.allocation.models import AccountState
from apps.engine import channels
from apps.engine.equity import latest_equity
from apps.engine.messages import Frame
from apps.leaderboards.board import _followers
from apps.portals.broker.overview import CurrencyTotal, equity_by_currency
from tenants.models import Broker
from tests.factories import link, master, person

NOW = timezone.now().replace(microsecond=0)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.fixture
def book(in_acme: Broker) -> Iterator[tuple[Master, list[int]]]:
    """Three accounts recorded a minute ago with 1,000.00 each."""
    of = master(person("manager"))
    accounts = [link(of, person("investor")).account_id for _ in range(3)]
    AccountState.objects.bulk_create(
        AccountState(
            account_id=account,
            book_id=of.public_id,
            currency="USD",
            opening_balance_minor=100_000,
            balance_minor=100_000,
            equity_minor=100_000,
            marked_at=NOW - timedelta(minutes=1),
            seq=1,
        )
        for account in accounts
    )
    yield of, accounts
    redis.Redis.from_url(settings.REDIS_URL).delete(channels.frame("acme", of.public_id))


def show(of: Master, equity: dict[int, int], at_ms: int) -> None:
    """The engine's last frame."""

    def packed(values: list[int]) -> bytes:
        return np.array(values, dtype="<i8").tobytes()

    values = packed(list(equity.values()))
    frame = Frame(
        epoch=1, seq=2, at_ms=at_ms, account_ids=packed(list(equity)), balance=values,
        equity=values, floating=packed([0] * len(equity)), margin=packed([0] * len(equity)),
        blocks=[], aum_minor={}, book_currency="USD", book_floating_minor=0, book_aum_minor=0,
    )  # fmt: skip
    store = redis.Redis.from_url(settings.REDIS_URL)
    store.set(channels.frame("acme", of.public_id), msgspec.msgpack.encode(frame), ex=60)


def test_a_frame_newer_than_the_record_is_what_counts(book: tuple[Master, list[int]]) -> None:
    of, accounts = book
    show(of, dict.fromkeys(accounts, 105_000), NOW_MS)
    assert equity_by_currency("acme") == [CurrencyTotal("USD", 3, 315_000, NOW_MS, True)]
    assert _followers([of], {"USD": 1.0}, "USD")[of.pk].aum_minor == 315_000


def test_without_a_frame_the_record_counts_with_its_age(book: tuple[Master, list[int]]) -> None:
    of, _ = book
    recorded = NOW_MS - 60_000
    assert equity_by_currency("acme") == [CurrencyTotal("USD", 3, 300_000, recorded, False)]
    assert _followers([of], {"USD": 1.0}, "USD")[of.pk].aum_minor == 300_000


def test_a_frame_left_by_an_engine_that_died_does_not_beat_a_newer_record(
    book: tuple[Master, list[int]],
) -> None:
    of, accounts = book
    show(of, dict.fromkeys(accounts, 1), NOW_MS - 61_000)
    assert {one.equity_minor for one in latest_equity("acme", [of.public_id], accounts)} == {
        100_000
    }


def test_a_sum_is_as_old_as_its_oldest_part(book: tuple[Master, list[int]]) -> None:
    of, accounts = book
    show(of, {accounts[0]: 200_000}, NOW_MS)
    (total,) = equity_by_currency("acme")
    assert (total.equity_minor, total.oldest_at_ms) == (400_000, NOW_MS - 60_000)
    assert not total.is_live
