"""Post-trade allocation at one price; P&L by the rates of the fill."""

from __future__ import annotations

import uuid
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import msgspec
import pytest

from apps.servers.acks import Done, Rejected
from apps.servers.events import (
    Allocated,
    Fill,
)
from apps.servers.types import Side
from tests.servers.conformance.common import ALICE, BOB, MASTER, all_deals, master
from tests.servers.peer import (
    Peer,
    close_tickets,
    open_account,
    open_tickets,
    order,
    packed,
    session,
    unpacked,
)


class AllocationConformance:
    """Post-trade allocation at one price."""

    async def test_an_allocation_gives_everything_away_at_one_price(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            for login in (ALICE, BOB):
                await open_account(watch.server, login)
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            fill = await watch.fill()
            held = await watch.server.positions(MASTER)
            assert [(p.steps, p.unallocated) for p in held] == [(10, True)]
            done = await watch.server.allocate(open_tickets(fill, [(ALICE, 7, 1), (BOB, 3, 2)]))
            assert isinstance(done, Done)
            assert done.booked is not None
            assert done.booked.unallocated_steps == 0
            assert unpacked(done.booked.logins) == [ALICE, BOB]
            assert await watch.server.positions(MASTER) == []
            tickets = [*await watch.server.positions(ALICE), *await watch.server.positions(BOB)]
            assert [(p.position_id, p.steps) for p in tickets] == [(1, 7), (2, 3)]
            assert {p.open_price for p in tickets} == {fill.price}
            await watch.until(lambda: watch.told(Allocated))
            assert watch.told(Allocated)[0].steps == 10

    async def test_partial_fills_are_allocated_at_their_average_price(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE)
            await peer.fault("partial", steps=1)
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.02"))
            await peer.quote("EURUSD", "1.10001", "1.10011")
            second = await watch.fill(2)
            command = open_tickets(second, [(ALICE, 2, 1)])
            ids = tuple(f.deal_id for f in watch.told(Fill))
            wrong = msgspec.structs.replace(command, deal_ids=ids, price=Decimal("1.10010"))
            refused = await watch.server.allocate(wrong)
            assert isinstance(refused, Rejected)
            assert refused.code == "price_mismatch"
            right = msgspec.structs.replace(
                wrong, command_id=uuid.uuid4(), price=Decimal("1.10011")
            )  # 1.100105, half up
            assert isinstance(await watch.server.allocate(right), Done)
            assert await watch.server.positions(MASTER) == []

    @pytest.mark.parametrize(
        ("rows", "code"),
        [
            ([(ALICE, 11, 1)], "over_allocated"),
            ([(ALICE, 5, 1), (ALICE, 5, 1)], "ticket_exists"),
            ([(ALICE, 5, 1), (99999, 5, 2)], "account_unknown"),
            ([(ALICE, 10, 1), (ALICE, 0, 2)], "vector_invalid"),
            ([(ALICE, 11, 1), (ALICE, -1, 2)], "vector_invalid"),
        ],
    )
    async def test_a_wrong_allocation_changes_nothing(
        self, peer: Peer, rows: list[tuple[int, int, int]], code: str
    ) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            refused = await watch.server.allocate(open_tickets(await watch.fill(), rows))
            assert isinstance(refused, Rejected)
            assert refused.code == code
            assert await watch.server.positions(ALICE) == []
            assert [p.steps for p in await watch.server.positions(MASTER)] == [10]

    async def test_vectors_of_different_length_are_refused(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            command = open_tickets(await watch.fill(), [(ALICE, 10, 1)])
            for steps in (packed([5, 5]), b"", b"\x01\x02\x03"):
                odd = msgspec.structs.replace(command, command_id=uuid.uuid4(), steps=steps)
                refused = await watch.server.allocate(odd)
                assert isinstance(refused, Rejected)
                assert refused.code == "vector_invalid"

    async def test_more_than_is_open_cannot_be_closed(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            opened = await watch.fill()
            await watch.server.allocate(open_tickets(opened, [(ALICE, 10, 1)]))
            await watch.server.submit(order(MASTER, "EURUSD", Side.SELL, "0.20"))
            closing = await watch.fill(2)
            for rows, code in (
                ([(1, 11)], "ticket_mismatch"),
                ([(1, 5), (1, 6)], "ticket_mismatch"),
                ([(2, 1)], "position_unknown"),
            ):
                refused = await watch.server.allocate(close_tickets(closing, rows))
                assert isinstance(refused, Rejected)
                assert refused.code == code
            wrong_side = await watch.server.allocate(close_tickets(opened, [(1, 1)]))
            assert isinstance(wrong_side, Rejected)
            assert [p.steps for p in await watch.server.positions(ALICE)] == [10]

    async def test_profits_are_posted_at_the_rates_that_the_fill_carried(self, peer: Peer) -> None:
        """Against a computation of its own, in fractions: USDJPY closed in parts, four currencies;
        the market moves between the closing fill and its allocation."""
        currencies = {ALICE: "USD", BOB: "EUR", 903: "GBP", 904: "JPY"}
        async with session(peer) as watch:
            await master(watch.server)
            for login, currency in currencies.items():
                await open_account(watch.server, login, currency=currency)
            await watch.server.submit(order(MASTER, "USDJPY", Side.BUY, "1.00"))
            opened = await watch.fill()
            rows = [(login, 25, number) for number, login in enumerate(currencies, start=1)]
            await watch.server.allocate(open_tickets(opened, rows))
            expected = dict.fromkeys(currencies, Decimal(10000))
            for part, bid in enumerate(("150.337", "149.123"), start=2):
                await peer.quote("USDJPY", bid, "150.500")
                steps = 7 if part == 2 else 18
                lots = Decimal(4 * steps) / 100
                await watch.server.submit(order(MASTER, "USDJPY", Side.SELL, str(lots)))
                fill = await watch.fill(part)
                await peer.quote("USDJPY", "155.000", "155.010")
                closing = close_tickets(fill, [(number, steps) for number in range(1, 5)])
                done = await watch.server.allocate(closing)
                assert isinstance(done, Done)
                assert done.booked is not None
                for (login, currency), minor in zip(
                    currencies.items(), unpacked(done.booked.profit_minor), strict=True
                ):
                    digits = 0 if currency == "JPY" else 2
                    move = Fraction(fill.price) - Fraction(opened.price)
                    exact = move * steps * 1000 * Fraction(fill.rates[currency])
                    profit = _half_up(exact, digits)
                    assert minor == int(profit.scaleb(digits))
                    expected[login] += profit
            for login, balance in expected.items():
                assert (await watch.server.account_state(login)).balance == balance
                deals = await all_deals(watch.server, login)
                assert sum(deal.amount for deal in deals) == balance
                assert await watch.server.positions(login) == []


def _half_up(value: Fraction, digits: int) -> Decimal:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
