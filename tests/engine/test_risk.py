"""Protection through the running engine, the simulator and the projection."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from apps.core.book.commands import HardStop, LiftStop, PlaceBlock, SetProtection
from apps.core.book.risk.settings import Protection
from apps.core.errors import ConflictError, ForbiddenError, RejectedError
from apps.engine import client
from tests.engine.desk import Desk, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database
BID, ASK = 108_000, 108_010


def protect(desk: Desk, scope: Any, account_id: int | None = None, **limits: Any) -> None:
    party = limits.pop("party", "broker")
    desk.execute(
        SetProtection(
            command_id=uuid.uuid4(),
            scope=scope,
            party=party,
            account_id=account_id,
            protection=Protection(**limits),
        )
    )


def lift(desk: Desk, account_id: int | None = None, party: Any = "broker") -> client.Outcome:
    return desk.execute(LiftStop(command_id=uuid.uuid4(), party=party, account_id=account_id))


def accounts(desk: Desk) -> list[tuple[int, int]]:
    """(account, balance), the largest first."""
    rows = desk.sql(
        "SELECT account_id, balance_minor FROM {account_state} WHERE book_id = %s"
        " ORDER BY balance_minor DESC",
        desk.stage.book_id,
    )
    return [(int(a), int(b)) for a, b in rows]


def phase(desk: Desk, account_id: int | None) -> str:
    rows = desk.sql(
        "SELECT phase FROM {stop} WHERE book_id = %s AND account_id IS NOT DISTINCT FROM %s"
        " ORDER BY triggered_at DESC LIMIT 1",
        desk.stage.book_id,
        account_id,
    )
    return str(rows[0][0]) if rows else ""


def open_steps(desk: Desk, block_id: uuid.UUID) -> dict[int, int]:
    rows = desk.sql("SELECT account_id, open_steps FROM {ticket} WHERE block_id = %s", block_id)
    return {int(a): int(s) for a, s in rows}


def status(desk: Desk, account_id: int) -> str:
    return str(desk.sql("SELECT status FROM {link} WHERE account_id = %s", account_id)[0][0])


def opened(desk: Desk, quote: Callable[[int, int], None], lots: str = "5.00") -> uuid.UUID:
    quote(BID, ASK)
    block_id = desk.place(lots)
    desk.wait_state(block_id, "open")
    return block_id


def test_an_account_stop_closes_that_account_alone_and_blocks_it(desk: Desk) -> None:
    with desk.price("EURUSD") as quote:
        quote(BID, ASK)
        account_id, balance = accounts(desk)[0]
        waiting = desk.place("2.00", kind="limit", price=Decimal("1.02000"))
        block_id = opened(desk, quote)
        before = open_steps(desk, block_id)
        protect(desk, "account", account_id, stop_equity_minor=balance - 2_000, party="investor")
        quote(BID - 2_000, ASK - 2_000)
        wait_for(lambda: phase(desk, account_id) == "blocked")
        wait_for(lambda: open_steps(desk, block_id)[account_id] == 0)
        after = open_steps(desk, block_id)
        assert {a: s for a, s in after.items() if a != account_id} == {
            a: s for a, s in before.items() if a != account_id
        }
        assert status(desk, account_id) == "blocked"
        quote(BID, ASK)
        second = desk.place("3.00")
        desk.wait_state(second, "open")
        shares = desk.sql(
            "SELECT steps, reason FROM {allocation} WHERE block_id = %s AND account_id = %s",
            second,
            account_id,
        )
        assert shares == [(0, "blocked")]
        quote(int("102000") - 20, 102_000)
        desk.wait_state(waiting, "open")
        assert account_id not in open_steps(desk, waiting)
        with pytest.raises(ForbiddenError) as refused:
            lift(desk, account_id, "manager")
        assert refused.value.code == "stop_not_yours"
        with pytest.raises(ConflictError) as still:
            lift(desk, account_id, "investor")
        assert still.value.code == "limit_still_reached"
        protect(desk, "account", account_id, party="investor")
        lift(desk, account_id, "investor")
        wait_for(lambda: status(desk, account_id) == "active")
        kinds = desk.sql(
            "SELECT DISTINCT kind FROM {notice} WHERE account_id = %s ORDER BY 1", account_id
        )
        assert [kind for (kind,) in kinds] == ["stop_blocked", "stop_lifted", "stop_triggered"]
        desk.flat()
        desk.verify()


def test_the_masters_limit_closes_every_block_at_one_price_and_blocks_the_book(
    desk: Desk,
) -> None:
    with desk.price("EURUSD") as quote:
        first = opened(desk, quote)
        second = desk.place("2.00", side="sell")
        desk.wait_state(second, "open")
        waiting = desk.place("1.00", kind="limit", price=Decimal("1.02000"))
        total = sum(balance for _, balance in accounts(desk))
        protect(desk, "master", trailing_minor=max(1, total // 10_000_000), party="manager")
        quote(BID - 1_500, ASK - 1_500)
        wait_for(lambda: phase(desk, None) == "blocked")
        assert desk.state_of(waiting) == "cancelled"
        for block_id in (first, second):
            desk.wait_state(block_id, "closed")
            prices = desk.sql(
                "SELECT count(DISTINCT close_price) FROM {ticket} WHERE block_id = %s", block_id
            )
            assert prices == [(1,)]
        with pytest.raises(RejectedError) as refused:
            desk.place("1.00")
        assert refused.value.code == "book_stopped"
        protect(desk, "master", party="manager")  # rates alone would reach so close a limit again
        lift(desk, party="manager")
        wait_for(lambda: phase(desk, None) == "lifted")
        quote(BID, ASK)
        third = desk.place("1.00")
        desk.wait_state(third, "open")
        desk.flat()
        desk.verify()


def test_a_hard_stop_by_hand_needs_the_token_of_what_it_closes(desk: Desk) -> None:
    with desk.price("EURUSD") as quote:
        opened(desk, quote)
        ask = HardStop(command_id=uuid.uuid4(), party="manager", token="")
        seen = client.preview_stop(desk.broker, desk.stage.book_id, ask)
        assert (seen.blocks, seen.pending, seen.lots) == (1, 0, {"EURUSD": "5.00"})
        assert seen.notional_minor > 0
        more = desk.place("1.00")
        desk.wait_state(more, "open")
        with pytest.raises(ConflictError) as changed:
            desk.execute(HardStop(command_id=uuid.uuid4(), party="manager", token=seen.token))
        assert changed.value.code == "hard_stop_changed"
        again = client.preview_stop(desk.broker, desk.stage.book_id, ask)
        desk.execute(HardStop(command_id=uuid.uuid4(), party="manager", token=again.token))
        wait_for(lambda: phase(desk, None) == "blocked")
        with pytest.raises(ForbiddenError):
            lift(desk, party="investor")
        lift(desk, party="manager")
        desk.verify()


def test_a_stop_goes_on_when_the_server_refuses_the_first_close(desk: Desk) -> None:
    with desk.price("EURUSD") as quote:
        block_id = opened(desk, quote)
        ask = HardStop(command_id=uuid.uuid4(), party="broker", token="")
        seen = client.preview_stop(desk.broker, desk.stage.book_id, ask)
        desk.fault("reject", count=1)
        desk.execute(HardStop(command_id=uuid.uuid4(), party="broker", token=seen.token))
        wait_for(lambda: phase(desk, None) == "blocked")
        desk.wait_state(block_id, "closed")
        rows = desk.sql(
            "SELECT attempts FROM {stop} WHERE account_id IS NULL ORDER BY triggered_at DESC"
        )
        assert rows[0][0] >= 2
        lift(desk)
        desk.verify()


def test_openings_keep_the_margin_level_and_the_leverage_that_are_set(desk: Desk) -> None:
    with desk.price("EURUSD") as quote:
        quote(BID, ASK)
        account_id, balance = accounts(desk)[0]
        protect(desk, "account", account_id, max_leverage=Decimal("0.5"))
        block_id = desk.place("200.00")
        desk.wait_state(block_id, "open")
        rows = desk.sql(
            "SELECT steps, reason FROM {allocation} WHERE block_id = %s AND account_id = %s",
            block_id,
            account_id,
        )
        steps, reason = rows[0]
        assert reason == "cap_leverage"
        currency = desk.sql(
            "SELECT currency FROM {account_state} WHERE account_id = %s", account_id
        )[0][0]
        if currency == "USD":
            assert steps * 1_000 * Decimal("1.08005") <= Decimal(balance) / 100 / 2
        protect(desk, "account", account_id)
        desk.flat()
        protect(desk, "every_account", margin_level_min_pct=20_000)
        with pytest.raises(RejectedError) as none:
            desk.execute(
                PlaceBlock(
                    command_id=uuid.uuid4(),
                    symbol="EURUSD",
                    side="buy",
                    volume_lots=Decimal("200"),
                    token="",
                    manual_lots={a: Decimal(0) for a, _ in accounts(desk)},
                )
            )
        assert none.value.code in ("nothing_allocated", "insufficient_margin")
        protect(desk, "every_account")
        desk.verify()
