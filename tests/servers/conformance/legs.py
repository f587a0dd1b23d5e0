"""An order of an account's own: what mirror mode needs of every server, and what a server without
block allocation must say."""

from __future__ import annotations

import uuid
from decimal import Decimal

from apps.servers.acks import Done, Rejected
from apps.servers.commands import ClosePosition
from apps.servers.events import Fill
from apps.servers.types import Side
from tests.servers.conformance.common import ALICE, all_deals, master
from tests.servers.conformance.common import MASTER as MASTER_LOGIN
from tests.servers.peer import Peer, open_account, open_tickets, order, session


def closing(position_id: int, lots: str | None = None) -> ClosePosition:
    return ClosePosition(
        command_id=uuid.uuid4(),
        login=ALICE,
        position_id=position_id,
        lots=None if lots is None else Decimal(lots),
    )


class LegConformance:
    """Orders of accounts that are no masters."""

    async def test_the_fill_of_an_own_order_names_the_position_and_a_close_finds_it(
        self, peer: Peer
    ) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(ALICE, "EURUSD", Side.BUY, "0.10"))
            opened = await watch.fill()
            (position,) = await watch.server.positions(ALICE)
            assert opened.position_id == position.position_id
            assert (position.steps, position.open_price) == (10, opened.price)
            await watch.server.close_position(closing(position.position_id, "0.04"))
            closed = await watch.fill(2)
            assert (closed.side, closed.steps, closed.leaves_steps) == (Side.SELL, 4, 0)
            assert closed.position_id == position.position_id
            deals = await all_deals(watch.server, ALICE)
            assert deals[-1].amount == closed.profit == Decimal("-0.40")
            assert (await watch.server.positions(ALICE))[0].steps == 6

    async def test_an_order_filled_in_parts_is_one_position_at_the_average_price(
        self, peer: Peer
    ) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            await peer.fault("partial", steps=1)
            await watch.server.submit(order(ALICE, "EURUSD", Side.BUY, "0.02"))
            await peer.quote("EURUSD", "1.10001", "1.10011")
            await watch.fill(2)
            assert len({fill.position_id for fill in watch.told(Fill)}) == 1
            (position,) = await watch.server.positions(ALICE)
            # (1.10010 + 1.10011) / 2, half up
            assert (position.steps, position.open_price) == (2, Decimal("1.10011"))

    async def test_a_repeated_close_closes_once(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(ALICE, "EURUSD", Side.SELL, "0.10"))
            position_id = (await watch.fill()).position_id
            assert position_id is not None
            command = closing(position_id, "0.05")
            first = await watch.server.close_position(command)
            assert await watch.server.close_position(command) == first
            assert await watch.server.resolve(command.command_id) == first
            assert (await watch.server.positions(ALICE))[0].steps == 5


class NoAllocationConformance:
    """A server whose capabilities have no block allocation."""

    async def test_it_says_so_and_refuses_an_allocation_without_touching_the_fill(
        self, peer: Peer
    ) -> None:
        async with session(peer) as watch:
            assert not watch.server.capabilities.supports_block_allocation
            await master(watch.server)
            await open_account(watch.server, ALICE)
            await watch.server.submit(order(MASTER_LOGIN, "EURUSD", Side.BUY, "0.10"))
            fill = await watch.fill()
            refused = await watch.server.allocate(open_tickets(fill, [(ALICE, 10, 1)]))
            assert isinstance(refused, Rejected)
            assert refused.code == "unsupported"
            (held,) = await watch.server.positions(MASTER_LOGIN)
            assert (held.steps, held.unallocated) == (10, True)
            assert await watch.server.positions(ALICE) == []

    async def test_accounts_trade_by_orders_of_their_own(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await open_account(watch.server, ALICE)
            ack = await watch.server.submit(order(ALICE, "USDJPY", Side.BUY, "0.01"))
            assert isinstance(ack, Done)
            assert (await watch.fill()).position_id is not None
