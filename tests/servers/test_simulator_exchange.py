"""The exchange itself, in this process: invariants over random days, bars, hours."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.servers.acks import Done, Rejected
from apps.servers.commands import AllocateClose, AllocateOpen, CreateAccount, SubmitOrder
from apps.servers.simulator import queries
from apps.servers.simulator.bars import BarStore
from apps.servers.simulator.exchange import Exchange
from apps.servers.simulator.generator import DAY_MS, MINUTE_MS, Generator, RawBar
from apps.servers.simulator.host import HANDLERS
from apps.servers.simulator.market import Market
from apps.servers.simulator.player import Player
from apps.servers.simulator.rates import Tick
from apps.servers.simulator.store import Store
from apps.servers.simulator.symbols import SYMBOLS
from apps.servers.types import Side
from tests.servers.peer import packed

MASTER = 900
CURRENCIES = ("USD", "EUR", "GBP", "JPY")


@contextlib.contextmanager
def exchange() -> Iterator[Exchange]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "x.sqlite", "a-token")
        market = Market(stale_after_ms=1_000, clock=lambda: 1_000_000)
        made = Exchange("x", store, market, HANDLERS)
        quote(made, 150_000)
        for login, currency in ((MASTER, "USD"), *enumerate(CURRENCIES, start=1)):
            made.execute(
                CreateAccount(
                    command_id=uuid.uuid4(),
                    login=login,
                    kind="master" if login == MASTER else "sub",
                    currency=currency,
                    leverage=100,
                )
            )
        yield made
        store.close()


def quote(exchange: Exchange, usdjpy_bid: int) -> None:
    exchange.market.publish(
        [
            ("USDJPY", usdjpy_bid, usdjpy_bid + 8, 0),
            ("EURUSD", 110_000, 110_007, 0),
            ("GBPUSD", 125_000, 125_009, 0),
        ]
    )


def last_fill(exchange: Exchange) -> tuple[str, Decimal]:
    row = exchange.store.one("SELECT deal_id, points FROM fills ORDER BY deal_id DESC LIMIT 1")
    assert row is not None
    return str(row["deal_id"]), SYMBOLS["USDJPY"].to_price(row["points"])


def trade(exchange: Exchange, side: Side, steps: int) -> tuple[str, Decimal]:
    done = exchange.execute(
        SubmitOrder(
            command_id=uuid.uuid4(),
            login=MASTER,
            symbol="USDJPY",
            side=side,
            lots=Decimal(steps) / 100,
        )
    )
    assert isinstance(done, Done), done
    return last_fill(exchange)


def check_invariants(exchange: Exchange) -> None:
    store = exchange.store

    def number(sql: str) -> int:
        row = store.one(sql)
        assert row is not None
        return int(row[0] or 0)

    given_in = number("SELECT sum(steps) FROM deals WHERE kind = 'in'")
    given_out = number("SELECT sum(steps) FROM deals WHERE kind = 'out'")
    traded = number("SELECT sum(steps) FROM fills")
    assert given_in + given_out + number("SELECT sum(unallocated) FROM fills") == traded
    assert number("SELECT sum(open_steps) FROM tickets") == given_in - given_out
    wrong = store.all(
        "SELECT a.login FROM accounts a LEFT JOIN deals d ON d.login = a.login"
        " GROUP BY a.login HAVING a.balance <> coalesce(sum(d.amount), 0)"
    )
    assert wrong == []


STEPS = st.lists(st.integers(1, 500), min_size=4, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(140_000, 160_000)), min_size=1, max_size=4), st.data())
def test_volume_and_money_are_conserved_over_any_day(
    blocks: list[tuple[list[int], int]], data: st.DataObject
) -> None:
    """Blocks opened, closed in random parts at random prices, with refused attempts between."""
    with exchange() as x:
        open_steps: dict[int, int] = {}
        for block, (steps, price) in enumerate(blocks):
            quote(x, price)
            deal_id, at = trade(x, Side.BUY, sum(steps))
            tickets = [block * 10 + login for login in range(1, 5)]
            opened = x.execute(
                AllocateOpen(
                    command_id=uuid.uuid4(),
                    login=MASTER,
                    deal_ids=(deal_id,),
                    price=at,
                    logins=packed([1, 2, 3, 4]),
                    steps=packed(steps),
                    ticket_ids=packed(tickets),
                )
            )
            assert isinstance(opened, Done)
            open_steps.update(zip(tickets, steps, strict=True))
            check_invariants(x)
            closing = {
                ticket: data.draw(st.integers(1, left + 1))
                for ticket, left in open_steps.items()
                if left and data.draw(st.booleans())
            }
            if not closing:
                continue
            deal_id, at = trade(x, Side.SELL, sum(closing.values()))
            closed = x.execute(
                AllocateClose(
                    command_id=uuid.uuid4(),
                    login=MASTER,
                    deal_ids=(deal_id,),
                    price=at,
                    ticket_ids=packed(list(closing)),
                    steps=packed(list(closing.values())),
                )
            )
            possible = all(volume <= open_steps[ticket] for ticket, volume in closing.items())
            assert isinstance(closed, Done if possible else Rejected)
            if possible:
                for ticket, volume in closing.items():
                    open_steps[ticket] -= volume
            check_invariants(x)


def test_a_handler_that_breaks_half_way_leaves_nothing_and_is_not_remembered() -> None:
    with exchange() as x:
        command = SubmitOrder(
            command_id=uuid.uuid4(), login=MASTER, symbol="USDJPY", side=Side.BUY, lots=Decimal(1)
        )
        before = x.store.last_seq
        x.market.ticks["USDJPY"] = Tick(1, None, 1_000_000, 0)  # type: ignore[arg-type]
        with pytest.raises((TypeError, AttributeError)):
            x.execute(command)
        assert x.store.last_seq == before
        assert x.store.all("SELECT * FROM orders") == []
        assert x.working.get("USDJPY", {}) == {}
        quote(x, 150_000)
        assert isinstance(x.execute(command), Done)
        check_invariants(x)


def test_a_symbol_without_a_rate_to_the_account_cannot_be_closed_into_it() -> None:
    with exchange() as x:
        deal_id, at = trade(x, Side.BUY, 10)
        rows = {"logins": packed([3]), "steps": packed([10]), "ticket_ids": packed([1])}
        opening = AllocateOpen(
            command_id=uuid.uuid4(), login=MASTER, deal_ids=(deal_id,), price=at, **rows
        )
        assert isinstance(x.execute(opening), Done)
        del x.market.ticks["GBPUSD"]
        deal_id, at = trade(x, Side.SELL, 10)
        refused = x.execute(
            AllocateClose(
                command_id=uuid.uuid4(),
                login=MASTER,
                deal_ids=(deal_id,),
                price=at,
                ticket_ids=packed([1]),
                steps=packed([10]),
            )
        )
        assert isinstance(refused, Rejected)
        assert refused.code == "rate_missing"
        assert [p.steps for p in queries.positions(x, 3)] == [10]


# -- bars and hours


def test_recorded_bars_follow_the_quotes_and_survive_a_restart(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "quotes.sqlite")
    for at_ms, bid in ((60_000, 5), (70_000, 9), (119_999, 3), (120_000, 7)):
        store.on_ticks([("EURUSD", Tick(bid, bid + 1, at_ms, 0))])
    for _ in range(2):
        bars = store.bars("EURUSD", 0, 600_000, None)
        assert [(b.at_ms, b.open, b.high, b.low, b.close, b.ticks) for b in bars] == [
            (60_000, *(Decimal(v).scaleb(-5) for v in (5, 9, 3, 3)), 3),
            (120_000, *(Decimal(v).scaleb(-5) for v in (7, 7, 7, 7)), 1),
        ]
        store.close()
        store = BarStore(tmp_path / "quotes.sqlite")
    store.close()


def test_history_before_a_replayed_price_meets_it_without_a_cliff(tmp_path: Path) -> None:
    store = BarStore(tmp_path / "quotes.sqlite")
    start_ms = 100 * MINUTE_MS
    store.on_ticks([("GBPUSD", Tick(158_000, 158_010, start_ms, 0))])

    def history(symbol: str, from_ms: int, to_ms: int) -> list[RawBar]:
        return [
            RawBar(ms, 127_000, 127_100, 126_900, 127_000, 9)
            for ms in range(from_ms - from_ms % MINUTE_MS, to_ms, MINUTE_MS)
        ]

    bars = store.bars("GBPUSD", start_ms - 5 * MINUTE_MS, start_ms + MINUTE_MS, history)
    assert len(bars) == 6
    assert {bar.close for bar in bars} == {Decimal("1.58000")}
    assert all(bar.low < bar.open < bar.high for bar in bars[:-1])
    store.close()


@pytest.mark.parametrize(("hour", "expected"), [(21.5, None), (22.5, "market_closed")])
async def test_friday_evening_closes_the_market_in_fx_hours(
    tmp_path: Path, hour: float, expected: str | None
) -> None:
    now_ms = 20_413 * DAY_MS + int(hour * 3_600_000)  # Friday 2025-11-21
    market = Market(stale_after_ms=60_000, clock=lambda: now_ms)
    bars = BarStore(tmp_path / "quotes.sqlite")
    player = Player(market, Generator(7, always_open=False), bars)
    playing = asyncio.create_task(player.run())
    await asyncio.sleep(0.05)
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await playing
    assert set(market.ticks) == set(SYMBOLS)
    assert market.why_not("EURUSD") == expected
    bars.close()
