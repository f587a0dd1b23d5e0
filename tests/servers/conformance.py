"""One suite for every adapter: the guarantees of apps.servers.base, against a peer that can fail.

A room's test module derives `class TestX(ServerConformance)` and gives a `peer` fixture (a fresh
server per test, quotes: EURUSD 1.10000/1.10010, GBPUSD 1.25000/1.25020, USDJPY 150.000/150.010).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import msgspec
import pytest

from apps.core.errors import ConflictError, InputError, NotFoundError, UnavailableError
from apps.servers.acks import Done, NotFound, Rejected, Unknown
from apps.servers.base import TradingServer
from apps.servers.commands import AmendOrder, CancelOrder, ClosePosition, SubmitOrder
from apps.servers.events import (
    Allocated,
    BalanceChanged,
    Fill,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    Quote,
    ReconcileDiff,
    SessionDown,
    SessionUp,
)
from apps.servers.types import Deal, Side
from tests.servers.peer import (
    Peer,
    Watch,
    close_tickets,
    deposit,
    open_account,
    open_tickets,
    order,
    packed,
    session,
    unpacked,
)

MASTER, ALICE, BOB = 900, 901, 902


async def master(server: TradingServer) -> None:
    await open_account(server, MASTER, kind="master", amount="0")


async def all_deals(server: TradingServer, login: int, page: int = 1000) -> list[Deal]:
    found: list[Deal] = []
    cursor: str | None = "0"
    while cursor is not None:
        answer = await server.deals(login, since=cursor, limit=page)
        found += answer.items
        cursor = answer.next
    return found


class CommandConformance:
    """Guarantees 1, 2, 3 and 5: commands and their outcomes."""

    async def test_a_repeated_command_returns_the_stored_outcome_and_changes_nothing(
        self, peer: Peer
    ) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE)
            command = order(MASTER, "EURUSD", Side.BUY, "0.10")
            first = await watch.server.submit(command)
            assert await watch.server.submit(command) == first
            allocation = open_tickets(await watch.fill(), [(ALICE, 10, 1)])
            booked = await watch.server.allocate(allocation)
            assert await watch.server.allocate(allocation) == booked
            money = deposit(ALICE, "5.00")
            paid = await watch.server.balance(money)
            assert await watch.server.balance(money) == paid
            assert isinstance(first, Done)
            assert isinstance(booked, Done)
            assert isinstance(paid, Done)
            assert (await watch.server.account_state(ALICE)).balance == Decimal("10005.00")
            assert [p.steps for p in await watch.server.positions(ALICE)] == [10]
            assert len(watch.told(Fill)) == 1

    async def test_a_command_id_used_for_another_command_is_refused(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            money = deposit(ALICE, "5.00")
            await watch.server.balance(money)
            other = msgspec.structs.replace(money, amount=Decimal("6.00"))
            refused = await watch.server.balance(other)
            assert isinstance(refused, Rejected)
            assert refused.code == "command_id_reused"
            assert isinstance(await watch.server.balance(money), Done)

    async def test_a_rejection_is_final_and_a_repeat_tells_the_same(self, peer: Peer) -> None:
        async with session(peer) as watch:
            command = order(12345, "EURUSD", Side.BUY, "0.10")
            refused = await watch.server.submit(command)
            assert isinstance(refused, Rejected)
            assert (refused.code, refused.error_class) == ("account_unknown", "terminal")
            await open_account(watch.server, 12345)
            assert await watch.server.submit(command) == refused
            assert await watch.server.resolve(command.command_id) == refused

    async def test_a_lost_ack_is_unknown_and_resolves_to_done(self, peer: Peer) -> None:
        async with session(peer, timeout_s=0.5) as watch:
            await master(watch.server)
            await peer.fault("lose_ack")
            command = order(MASTER, "EURUSD", Side.BUY, "0.10")
            assert isinstance(await watch.server.submit(command), Unknown)
            settled = await watch.server.resolve(command.command_id)
            assert isinstance(settled, Done)
            assert await watch.server.submit(command) == settled
            assert (await watch.fill()).command_id == command.command_id
            assert len(watch.told(Fill)) == 1

    async def test_a_late_ack_is_unknown_until_resolved(self, peer: Peer) -> None:
        async with session(peer, timeout_s=0.4) as watch:
            await open_account(watch.server, ALICE)
            await peer.fault("delay", delay_ms=900)
            command = deposit(ALICE, "1.00")
            assert isinstance(await watch.server.balance(command), Unknown)
            assert isinstance(await watch.server.resolve(command.command_id), Done)
            await asyncio.sleep(0.7)  # the late answer arrives and must disturb nothing
            assert (await watch.server.account_state(ALICE)).balance == Decimal("10001.00")

    @pytest.mark.parametrize(("fault", "happened"), [("drop_before", False), ("drop_after", True)])
    async def test_a_connection_lost_in_mid_order_is_settled_by_resolve(
        self, peer: Peer, fault: str, happened: bool
    ) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await peer.fault(fault)
            command = order(MASTER, "EURUSD", Side.BUY, "0.10")
            assert isinstance(await watch.server.submit(command), Unknown)
            await watch.until(lambda: len(watch.told(SessionUp)) == 2)
            settled = await watch.server.resolve(command.command_id)
            assert isinstance(settled, Done if happened else NotFound)
            assert isinstance(await watch.server.submit(command), Done)
            await watch.fill()
            assert len(await watch.server.positions(MASTER)) == 1

    async def test_resolve_of_a_command_never_sent_is_not_found(self, peer: Peer) -> None:
        async with session(peer) as watch:
            command_id = uuid.uuid4()
            assert await watch.server.resolve(command_id) == NotFound(command_id)

    @pytest.mark.parametrize(
        ("lots", "code"),
        [
            ("0.015", "volume_off_step"),
            ("0.0", "volume_below_min"),
            ("-0.10", "volume_below_min"),
            ("1000000", "volume_above_max"),
            ("NaN", "volume_off_step"),
        ],
    )
    async def test_a_volume_is_rejected_and_never_rounded(
        self, peer: Peer, lots: str, code: str
    ) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            refused = await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, lots))
            assert isinstance(refused, Rejected)
            assert refused.code == code
            assert await watch.server.positions(MASTER) == []
            assert await watch.server.orders(MASTER) == []

    async def test_an_ack_moves_nothing_that_a_fill_does_not(self, peer: Peer) -> None:
        """A resting order is Done (accepted), and no position exists until its Fill."""
        async with session(peer) as watch:
            await master(watch.server)
            limit = order(
                MASTER, "EURUSD", Side.BUY, "0.10", kind="limit", price=Decimal("1.09000")
            )
            assert isinstance(await watch.server.submit(limit), Done)
            assert await watch.server.positions(MASTER) == []
            await peer.quote("EURUSD", "1.08980", "1.09000")
            fill = await watch.fill()
            assert (fill.command_id, fill.price) == (limit.command_id, Decimal("1.09000"))
            assert [p.steps for p in await watch.server.positions(MASTER)] == [10]


class EventConformance:
    """Guarantees 4, 6, 7 and 10: events, cursors, sessions."""

    async def test_a_duplicate_fill_has_the_same_deal_id(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await peer.fault("duplicate_fill")
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            await watch.fill(2)
            first, again = watch.told(Fill)
            assert first.deal_id == again.deal_id
            assert again.seq > first.seq
            books = {fill.deal_id: fill.steps for fill in watch.told(Fill)}
            assert sum(books.values()) == 10
            assert [p.steps for p in await watch.server.positions(MASTER)] == [10]

    async def test_partial_fills_add_up_and_cum_only_grows(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await peer.fault("partial", steps=4)
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            await peer.quote("EURUSD", "1.10010", "1.10020")
            await peer.quote("EURUSD", "1.10020", "1.10030")
            await watch.fill(3)
            fills = watch.told(Fill)
            assert [f.steps for f in fills] == [4, 4, 2]
            assert [(f.cum_steps, f.leaves_steps) for f in fills] == [(4, 6), (8, 2), (10, 0)]
            assert [f.price for f in fills] == [
                Decimal("1.10010"),
                Decimal("1.10020"),
                Decimal("1.10030"),
            ]
            assert len({f.deal_id for f in fills}) == 3

    async def test_a_late_fill_after_a_cancel_has_told_its_part(self, peer: Peer) -> None:
        """A cancel ends what is left; what was filled before stays filled."""
        async with session(peer) as watch:
            await master(watch.server)
            await peer.fault("partial", steps=4)
            ack = await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            assert isinstance(ack, Done)
            assert ack.order_id is not None
            cancel = CancelOrder(command_id=uuid.uuid4(), order_id=ack.order_id)
            assert isinstance(await watch.server.cancel(cancel), Done)
            await watch.until(lambda: watch.told(OrderCancelled))
            assert watch.told(OrderCancelled)[0].leaves_steps == 6
            await peer.quote("EURUSD", "1.10010", "1.10020")
            assert [p.steps for p in await watch.server.positions(MASTER)] == [4]

    async def test_a_fill_may_come_before_its_acceptance(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await peer.fault("reorder")
            command = order(MASTER, "EURUSD", Side.BUY, "0.10")
            await watch.server.submit(command)
            await watch.until(lambda: watch.told(OrderAccepted))
            fill, accepted = watch.told(Fill)[0], watch.told(OrderAccepted)[0]
            assert fill.seq < accepted.seq
            assert fill.order_id == accepted.order_id
            assert fill.command_id == accepted.command_id == command.command_id

    async def test_events_come_in_order_and_resume_after_any_cursor(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE)
            for _ in range(5):
                await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            await watch.server.balance(deposit(ALICE, "1.00"))
            await watch.until(lambda: watch.told(BalanceChanged))
            told = [event for event in watch.events if event.seq]
        seqs = [event.seq for event in told]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        for cursor in (seqs[0] - 1, seqs[3], seqs[-2]):
            async with session(peer, from_seq=cursor) as again:
                await again.until(lambda again=again: again.events[-1].seq == seqs[-1])
                assert [e for e in again.events if e.seq] == [e for e in told if e.seq > cursor]

    async def test_after_a_lost_connection_nothing_is_missed_and_the_order_is_kept(
        self, peer: Peer
    ) -> None:
        """Down → snapshot → Up → what happened meanwhile, each durable event once."""
        async with session(peer) as watch, session(peer) as other:
            await master(watch.server)
            await peer.fault("drop_before")
            lost = order(MASTER, "EURUSD", Side.BUY, "0.30")
            assert isinstance(await watch.server.submit(lost), Unknown)
            await other.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            await watch.fill()
            await watch.until(lambda: len(watch.told(SessionUp)) == 2)
            kinds = [type(e) for e in watch.events if isinstance(e, SessionDown | ReconcileDiff)]
            assert kinds == [ReconcileDiff, SessionDown, ReconcileDiff]
            seqs = [event.seq for event in watch.events if event.seq]
            assert seqs == sorted(set(seqs))
            down = watch.events.index(watch.told(SessionDown)[0])
            up = watch.events.index(watch.told(SessionUp)[1])
            assert all(event.seq == 0 for event in watch.events[down:up])

    async def test_nothing_is_sent_while_the_session_is_down(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await peer.kill()
            await watch.until(lambda: watch.told(SessionDown))
            command = order(MASTER, "EURUSD", Side.BUY, "0.10")
            with pytest.raises(UnavailableError):
                await watch.server.submit(command)
            assert isinstance(await watch.server.resolve(command.command_id), Unknown)
            assert (await watch.server.health()).up is False
            await peer.restart()
            await watch.until(lambda: len(watch.told(SessionUp)) == 2)
            assert await watch.server.resolve(command.command_id) == NotFound(command.command_id)
            assert (await watch.server.health()).up is True

    async def test_one_consumer_of_events_at_a_time(self, peer: Peer) -> None:
        async with session(peer) as watch:
            with pytest.raises(ConflictError):
                watch.server.events(0)

    async def test_times_are_utc_milliseconds_and_the_offset_is_told(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await watch.server.subscribe_quotes(["EURUSD"])
            await watch.until(lambda: watch.told(Quote))
            assert abs(watch.told(Quote)[0].at_ms - time.time() * 1000) < 60_000
            assert abs((await watch.server.health()).server_offset_ms) < 2_000

    async def test_a_trade_from_outside_on_the_master_is_told_and_can_be_allocated(
        self, peer: Peer
    ) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE)
            await peer.trade_outside(MASTER, "EURUSD", Side.SELL, "0.20")
            fill = await watch.fill()
            assert (fill.command_id, fill.login, fill.steps) == (None, MASTER, 20)
            assert isinstance(
                await watch.server.allocate(open_tickets(fill, [(ALICE, 20, 7)])), Done
            )
            assert [(p.side, p.steps) for p in await watch.server.positions(ALICE)] == [
                (Side.SELL, 20)
            ]


class OrderConformance:
    """Market, limit and stop at bid and ask."""

    @pytest.mark.parametrize(
        ("side", "kind", "price", "untouched", "touched", "filled_at"),
        [
            (Side.BUY, "limit", "1.09000", ("1.08990", "1.09001"), ("1.08980", "1.08990"), 1),
            (Side.SELL, "limit", "1.11000", ("1.10999", "1.11010"), ("1.11005", "1.11015"), 0),
            (Side.BUY, "stop", "1.11000", ("1.10980", "1.10999"), ("1.11010", "1.11020"), 1),
            (Side.SELL, "stop", "1.09000", ("1.09001", "1.09011"), ("1.08950", "1.08960"), 0),
        ],
    )
    async def test_pending_orders_fill_at_the_market_that_reaches_them(
        self,
        peer: Peer,
        side: Side,
        kind: str,
        price: str,
        untouched: tuple[str, str],
        touched: tuple[str, str],
        filled_at: int,
    ) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            command = order(MASTER, "EURUSD", side, "0.10", kind=kind, price=Decimal(price))
            assert isinstance(await watch.server.submit(command), Done)
            await peer.quote("EURUSD", *untouched)
            assert len(await watch.server.orders(MASTER)) == 1
            await peer.quote("EURUSD", *touched)
            fill = await watch.fill()
            assert (fill.side, fill.price) == (side, Decimal(touched[filled_at]))
            assert await watch.server.orders(MASTER) == []

    async def test_market_orders_buy_at_the_ask_and_sell_at_the_bid(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            await watch.server.submit(order(MASTER, "EURUSD", Side.SELL, "0.10"))
            await watch.fill(2)
            assert [f.price for f in watch.told(Fill)] == [Decimal("1.10010"), Decimal("1.10000")]

    async def test_a_pending_order_can_be_moved_cancelled_and_expires(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)

            async def rest(**more: int) -> str:
                command = order(
                    MASTER, "EURUSD", Side.BUY, "0.10", kind="limit", price=Decimal("1.05"), **more
                )
                ack = await watch.server.submit(command)
                assert isinstance(ack, Done)
                assert ack.order_id is not None
                return ack.order_id

            moved, cancelled = await rest(), await rest()
            expired = await rest(expires_at_ms=int(time.time() * 1000) + 300)
            amend = AmendOrder(command_id=uuid.uuid4(), order_id=moved, price=Decimal("1.06"))
            assert isinstance(await watch.server.amend(amend), Done)
            cancel = CancelOrder(command_id=uuid.uuid4(), order_id=cancelled)
            assert isinstance(await watch.server.cancel(cancel), Done)
            await watch.until(lambda: watch.told(OrderExpired))
            assert watch.told(OrderExpired)[0].order_id == expired
            assert watch.told(OrderAmended)[0].price == Decimal("1.06")
            await peer.quote("EURUSD", "1.04000", "1.04010")
            await watch.fill()
            assert [f.order_id for f in watch.told(Fill)] == [moved]
            again = CancelOrder(command_id=uuid.uuid4(), order_id=cancelled)
            refused = await watch.server.cancel(again)
            assert isinstance(refused, Rejected)
            assert refused.code == "order_not_open"

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"kind": "limit"}, "price_required"),
            ({"kind": "limit", "price": Decimal("1.090001")}, "price_off_grid"),
            ({"kind": "stop", "price": Decimal("1.05")}, "price_wrong_side"),
            ({"kind": "limit", "price": Decimal("1.05"), "expires_at_ms": 1}, "expiry_invalid"),
        ],
    )
    async def test_a_pending_order_that_cannot_be_is_refused(
        self, peer: Peer, more: dict[str, object], code: str
    ) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            refused = await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10", **more))
            assert isinstance(refused, Rejected)
            assert refused.code == code

    async def test_an_unquoted_symbol_is_not_dealt(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            refused = await watch.server.submit(order(MASTER, "AUDUSD", Side.BUY, "0.10"))
            assert isinstance(refused, Rejected)
            assert (refused.code, refused.error_class) == ("no_quote", "market")


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
                    await query(4711)  # type: ignore[operator]
                assert refused.value.code == "account_unknown"
            with pytest.raises(InputError):
                await watch.server.accounts(limit=1001)


class CrashConformance:
    """The server is killed without a warning; the adapter and its caller carry on."""

    async def test_a_killed_server_loses_nothing_and_does_nothing_twice(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE, amount="0")
            limit = order(MASTER, "EURUSD", Side.BUY, "0.10", kind="limit", price=Decimal("1.05"))
            assert isinstance(await watch.server.submit(limit), Done)
            deposits = [deposit(ALICE, "1.00") for _ in range(200)]
            sending = [asyncio.create_task(watch.server.balance(d)) for d in deposits]
            await watch.until(lambda: len(watch.told(BalanceChanged)) >= 20)
            blocks = [order(MASTER, "EURUSD", Side.BUY, "0.01") for _ in range(50)]
            sending += [asyncio.create_task(watch.server.submit(block)) for block in blocks]
            await watch.until(lambda: watch.told(Fill))
            await peer.kill()
            outcomes = await asyncio.gather(*sending)
            assert not [o for o in outcomes if isinstance(o, Rejected)]
            await peer.restart()
            await watch.until(lambda: len(watch.told(SessionUp)) == 2)
            await _settle(watch.server, [*deposits, *blocks], outcomes)
            last = deposit(ALICE, "0.50")
            assert isinstance(await watch.server.balance(last), Done)
            await watch.until(lambda: watch.told(BalanceChanged)[-1].command_id == last.command_id)
            assert (await watch.server.account_state(ALICE)).balance == Decimal("200.50")
            assert len(watch.told(BalanceChanged)) == 201
            assert sorted(str(f.command_id) for f in watch.told(Fill)) == sorted(
                str(block.command_id) for block in blocks
            )
            assert sum(p.steps for p in await watch.server.positions(MASTER)) == 50
            assert [o.command_id for o in await watch.server.orders(MASTER)] == [
                str(limit.command_id)
            ]

    async def test_a_killed_allocation_is_whole_or_not_at_all(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            logins = list(range(2000, 2200))
            for login in logins:
                await open_account(watch.server, login, amount="0")
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "2.00"))
            rows = [(login, 1, number) for number, login in enumerate(logins, start=1)]
            command = open_tickets(await watch.fill(), rows)
            sending = asyncio.create_task(watch.server.allocate(command))
            await asyncio.sleep(0.002)
            await peer.kill()
            await sending
            await peer.restart()
            await watch.until(lambda: len(watch.told(SessionUp)) == 2)
            settled = await watch.server.resolve(command.command_id)
            page = await watch.server.accounts()
            held = [await watch.server.positions(account.login) for account in page.items]
            open_now = sum(len(positions) for positions in held)
            # 200 tickets, or the master's one unallocated fill
            assert open_now == (200 if isinstance(settled, Done) else 1)
            assert isinstance(await watch.server.allocate(command), Done)
            assert await watch.server.positions(MASTER) == []


class ServerConformance(
    CommandConformance,
    EventConformance,
    OrderConformance,
    AllocationConformance,
    AccountConformance,
    CrashConformance,
):
    """All of it."""


async def _settle(
    server: TradingServer, commands: list[SubmitOrder], outcomes: list[object]
) -> None:
    """What a caller does: unknown is resolved; what was not seen is sent again, same id."""
    for command, outcome in zip(commands, outcomes, strict=True):
        settled = await server.resolve(command.command_id)
        if isinstance(outcome, Done):
            assert settled == outcome
        elif isinstance(settled, NotFound):
            send = server.submit if isinstance(command, SubmitOrder) else server.balance
            assert isinstance(await send(command), Done)
        else:
            assert isinstance(settled, Done)


def _half_up(value: Fraction, digits: int) -> Decimal:
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


__all__ = ["ServerConformance", "Watch"]
