"""Money, valuation and history of accounts."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from apps.core.errors import InputError, NotFoundError
from apps.servers.acks import Done, Rejected
from apps.servers.commands import (
    ClosePosition,
)
from apps.servers.events import (
    Fill,
)
from apps.servers.types import Side
from tests.servers.conformance.common import ALICE, all_deals
from tests.servers.peer import (
    Peer,
    deposit,
    open_account,
    order,
    session,
)


class AccountConformance:
    """Money, valuation, history."""

    async def test_balances_equal_the_deals_re_added_to_the_cent(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE, amount="1000.10")
            for kind, amount in (
                ("deposit", "0.05"),
                ("withdrawal", "200.15"),
                ("fee", "33.33"),
                ("correction", "-0.67"),
                ("credit", "50.00"),
            ):
                assert isinstance(await watch.server.balance(deposit(ALICE, amount, kind)), Done)
            state = await watch.server.account_state(ALICE)
            deals = await all_deals(watch.server, ALICE, page=2)
            assert state.balance == Decimal("766.00")
            assert sum(d.amount for d in deals if d.kind != "credit") == state.balance
            assert sum(d.amount for d in deals if d.kind == "credit") == state.credit
            assert [int(d.deal_id) for d in deals] == sorted({int(d.deal_id) for d in deals})

    @pytest.mark.parametrize(
        ("kind", "amount", "code"),
        [
            ("withdrawal", "10000.01", "no_money"),
            ("fee", "10000.01", "no_money"),
            ("credit", "-0.01", "no_money"),
            ("deposit", "-1.00", "amount_invalid"),
            ("deposit", "1.001", "amount_invalid"),
            ("deposit", "0", "amount_invalid"),
            ("deposit", "Infinity", "amount_invalid"),
        ],
    )
    async def test_money_that_is_not_there_or_no_money_is_refused(
        self, peer: Peer, kind: str, amount: str, code: str
    ) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            refused = await watch.server.balance(deposit(ALICE, amount, kind))
            assert isinstance(refused, Rejected)
            assert refused.code == code
            state = await watch.server.account_state(ALICE)
            assert (state.balance, state.credit) == (Decimal(10000), Decimal(0))

    async def test_an_account_is_valued_at_the_price_it_would_close_at(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(ALICE, "EURUSD", Side.BUY, "1.00"))
            await peer.quote("EURUSD", "1.10100", "1.10120")
            state = await watch.server.account_state(ALICE)
            assert state.floating == Decimal("90.00")  # bought at 1.10010, closes at 1.10100
            assert state.equity == state.balance + state.credit + state.floating
            assert state.margin == Decimal("1101.10")  # 100 000 · 1.10110 / 100
            assert state.free == state.equity - state.margin
            assert state.level == Decimal("916.36")

    async def test_a_position_of_an_account_opens_and_closes_in_parts(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(ALICE, "EURUSD", Side.SELL, "0.10"))
            position_id = (await watch.fill()).position_id
            assert position_id is not None
            await peer.quote("EURUSD", "1.09000", "1.09010")
            for lots, number in ((Decimal("0.04"), 2), (None, 3)):
                command = ClosePosition(
                    command_id=uuid.uuid4(), login=ALICE, position_id=position_id, lots=lots
                )
                assert isinstance(await watch.server.close_position(command), Done)
                await watch.fill(number)
            fills = watch.told(Fill)
            assert [f.profit for f in fills] == [0, Decimal("39.60"), Decimal("59.40")]
            assert (await watch.server.account_state(ALICE)).balance == Decimal("10099.00")
            assert await watch.server.positions(ALICE) == []

    async def test_an_account_without_free_margin_is_refused(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE, amount="1000")
            refused = await watch.server.submit(order(ALICE, "EURUSD", Side.BUY, "1.00"))
            assert isinstance(refused, Rejected)
            assert refused.code == "no_money"
            assert isinstance(
                await watch.server.submit(order(ALICE, "EURUSD", Side.BUY, "0.90")), Done
            )

    async def test_accounts_are_paged_by_login(self, peer: Peer) -> None:
        async with session(peer) as watch:
            for login in (5, 3, 9, 7):
                await open_account(watch.server, login)
            first = await watch.server.accounts(limit=3)
            rest = await watch.server.accounts(after=int(first.next or 0), limit=3)
            assert [a.login for a in first.items] == [3, 5, 7]
            assert ([a.login for a in rest.items], rest.next) == ([9], None)

    async def test_what_does_not_exist_is_said_to_be_not_found(self, peer: Peer) -> None:
        async with session(peer) as watch:
            for query in (watch.server.account_state, watch.server.deals, watch.server.positions):
                with pytest.raises(NotFoundError) as refused:
                    await query(4711)
                assert refused.value.code == "account_unknown"
            with pytest.raises(InputError):
                await watch.server.accounts(limit=1001)
