"""A second trading server of a seeded world, and orders of accounts' own on either server."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.records import Body
from apps.core.book.state import LegIntent

if TYPE_CHECKING:
    from tests.core_book.world import World

ELSEWHERE = 2


def _pro(name: str, digits: int, base: str, quote: str, **over: Any) -> c.SymbolInfo:
    fields: dict[str, Any] = {
        "contract_size": Decimal(100_000),
        "volume_step": Decimal("0.01"),
        "min_steps": 1,
        "max_steps": 1_000_000,
        **over,
    }
    return c.SymbolInfo(
        name=name,
        digits=digits,
        base_currency=base,
        quote_currency=quote,
        margin_currency=base,
        margin_mode="fx",
        max_leverage=500,
        **fields,
    )


PRO = c.VenueInfo(
    server_id=ELSEWHERE,
    name="pro",
    allocates=False,
    names={"EURUSD": "EURUSD.pro", "USDJPY": "USDJPY.pro"},
    symbols=[
        _pro("EURUSD.pro", 4, "EUR", "USD", contract_size=Decimal(10_000), max_steps=500),
        _pro("USDJPY.pro", 3, "USD", "JPY", volume_step=Decimal("0.03"), min_steps=2),
    ],
    cursor=5,
)
"""Suffixes, smaller contracts, a coarser step, fewer digits; no pound."""


def pro_quotes(mid: dict[str, int], at_ms: int) -> dict[str, c.QuoteIn]:
    euro, yen = mid["EURUSD"], mid["USDJPY"]
    return {
        "EURUSD.pro@2": c.QuoteIn(euro // 10 - 1, euro // 10 + 2, at_ms),
        "USDJPY.pro@2": c.QuoteIn(yen - 9, yen + 9, at_ms),
    }


def posts_its_own(intent_or_event: Any) -> bool:
    """Half of the closings: the server says what it posted, which need not be our figure."""
    return bool(intent_or_event.order_id.int % 2)


def work_leg(world: World, intent: LegIntent) -> None:
    """Fill, in part or whole, or refuse one account's order."""
    server = world.server
    filled = server.filled.get(intent.order_id, 0)
    mood = world.rng.random() if world.moods else 0.0
    if mood > 0.85:
        how: Any = world.rng.choice(["rejected", "expired"])
        world.tell(
            c.OrderEnded(
                command_id=world.new_id(), order_id=intent.order_id, how=how, code="no_money"
            )
        )
        return
    left = intent.own_steps - filled
    steps = world.rng.randint(1, left) if mood > 0.6 else left
    server.filled[intent.order_id] = filled + steps
    deal_id = world.new_deal()
    quote = world.quotes()[intent.symbol]
    price = (quote.ask if intent.side == "buy" else quote.bid) + world.rng.randint(-3, 3)
    profit = None
    if intent.close_id is not None and posts_its_own(intent):
        book = world.book
        at = int(book.blocks[intent.block_id].members[intent.ordinal])
        posted = world.rng.randint(-10_000, 10_000)
        digits = book.digits_of[book.currencies[int(book.members.currency[at])]]
        profit = Decimal(posted).scaleb(-digits)
        server.balance[int(book.members.account_ids[at])] += posted
    world.tell(
        c.FillReported(
            command_id=world.new_id(),
            order_id=intent.order_id,
            deal_id=deal_id,
            steps=steps,
            cum_steps=filled + steps,
            leaves_steps=left - steps,
            price_points=price,
            rates={},
            server_seq=world.deals,
            at_ms=world.now_ms,
            server_id=intent.server_id,
            position_id=world.deals,
            profit=profit,
        )
    )


def keep_legs(world: World, body: Body) -> None:
    """The server's side of what the book made of its fills."""
    for event in body.events:
        match event:
            case ev.LegClosed() if not posts_its_own(event):
                world.server.balance[event.account_id] += event.pnl_minor
            case _:
                pass


def direct(world: World) -> None:
    """One random thing about modes and failed legs."""
    rng = world.rng
    blocks = list(world.book.blocks.values())
    if not blocks or rng.random() < 0.5:
        mode: Any = rng.choice(["auto", "mirror", "block"])
        world.tell(c.SetExecution(command_id=world.new_id(), mode=mode))
        return
    some = None if rng.random() < 0.5 else [rng.randint(1, 15)]
    world.tell(
        c.RetryLegs(
            command_id=world.new_id(), block_id=rng.choice(blocks).block_id, account_ids=some
        )
    )
