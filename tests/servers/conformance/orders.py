"""Market, limit and stop orders at bid and ask."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal

import pytest

from apps.servers.acks import Done, Rejected
from apps.servers.commands import (
    AmendOrder,
    CancelOrder,
)
from apps.servers.events import (
    Fill,
    OrderAmended,
    OrderExpired,
)
from apps.servers.types import Side
from tests.servers.conformance.common import MASTER, master
from tests.servers.peer import (
    Peer,
    order,
    session,
)


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
