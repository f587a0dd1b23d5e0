"""Guarantees 1, 2, 3 and 5: commands and their three outcomes."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal

import msgspec
import pytest

from apps.servers.acks import Done, NotFound, Rejected, Unknown
from apps.servers.events import (
    Fill,
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
