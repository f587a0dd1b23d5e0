"""The trading server stops an account out from its side: the book takes it up."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.conf import settings

from tests.engine.desk import Desk, wait_for
from tests.servers.peer import SimulatorProcess

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A simulator that stops out at a margin level of 50 %."""
    process = SimulatorProcess(
        tmp_path_factory.mktemp("sim") / "data", "--faults", "--stop-out-pct", "50"
    )
    process.start()
    before = settings.SIM_URL
    settings.SIM_URL = process.url
    yield process.url
    settings.SIM_URL = before
    process.kill()


def test_a_ticket_that_the_server_closes_is_taken_up_and_the_block_goes_on(desk: Desk) -> None:
    balances = desk.sql(
        "SELECT account_id, balance_minor FROM {account_state} WHERE book_id = %s AND"
        " currency = 'USD' ORDER BY account_id",
        desk.stage.book_id,
    )
    victim, balance = balances[0]
    others = {account for account, _ in balances[1:]}
    with desk.price("EURUSD") as quote:
        quote(108_000, 108_010)
        lots = (Decimal(balance) / 100 * 25 / 108_005).quantize(Decimal("0.01"))
        block_id = desk.place("30.00", manual_lots={int(victim): lots})
        desk.wait_state(block_id, "open")
        held = "SELECT account_id, open_steps FROM {ticket} WHERE block_id = %s"
        before = dict(desk.sql(held, block_id))
        assert before[victim] == int(lots * 100)
        quote(104_000, 104_010)  # 4 % at a leverage of 25: the account's money is gone
        wait_for(lambda: dict(desk.sql(held, block_id))[victim] == 0)
        after = dict(desk.sql(held, block_id))
        assert {a: after[a] for a in others} == {a: before[a] for a in others}
        (told,) = desk.sql(
            "SELECT pnl_minor FROM {deal} WHERE block_id = %s AND account_id = %s"
            " AND entry = 'out'",
            block_id,
            victim,
        )
        expected = -(before[victim] * 1_000 * (108_010 - 104_000) // 1_000)
        assert told == (expected,)
        notices = desk.sql("SELECT DISTINCT kind FROM {notice} WHERE account_id = %s", victim)
        assert notices == [("server_closed",)]
        desk.flat()
        desk.verify()
