"""Guarantees 4, 6, 7 and 10: events, cursors, sessions, times."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal

import pytest

from apps.core.errors import ConflictError, UnavailableError
from apps.servers.acks import Done, NotFound, Unknown
from apps.servers.commands import (
    CancelOrder,
)
from apps.servers.events import (
    BalanceChanged,
    Fill,
    OrderAccepted,
    OrderCancelled,
    Quote,
    ReconcileDiff,
    SessionDown,
    SessionUp,
)
from apps.servers.types import Side
from tests.servers.conformance.common import ALICE, MASTER, master
from tests.servers.peer import (
    Peer,
    deposit,
    open_account,
    open_tickets,
    order,
    session,
)


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
                await again.reached(seqs[-1])
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
