"""The trading server of a seeded world: it fills in parts, late and twice, cancels, refuses, books.

It keeps its own books, by the rules of a server and not by those of ours: deals with what is not
allocated of them, tickets, balances. `compare` says whether the book agrees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import vec
from apps.core.book.records import Body
from apps.core.book.state import (
    BalanceIntent,
    BookingIntent,
    CancelIntent,
    FlatIntent,
    Intent,
    LegIntent,
    SubmitIntent,
)
from apps.core.ints import half_up_div
from tests.core_book.elsewhere import work_leg

if TYPE_CHECKING:
    from tests.core_book.world import World

_LANE = (BookingIntent, BalanceIntent, FlatIntent)
LATE = 0.3
"""How often an order that ended has yet a fill to be told."""


@dataclass
class Deal:
    """An execution on the master; `left`: steps that belong to nobody yet."""

    steps: int
    points: int
    left: int


@dataclass
class Server:
    """`ended`: orders that get no more fills, except the `late` ones that are still to be told."""

    world: World
    deals: dict[str, Deal] = field(default_factory=dict)
    tickets: dict[int, int] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    balance: dict[int, int] = field(default_factory=dict)
    filled: dict[UUID, int] = field(default_factory=dict)
    ended: set[UUID] = field(default_factory=set)
    late: list[c.FillReported] = field(default_factory=list)
    told: list[tuple[c.FillReported, Body]] = field(default_factory=list)

    def serve(self) -> bool:
        """Settle one thing that it feels like settling; False when nothing is on its way."""
        world, rng = self.world, self.world.rng
        if self.late and (not world.book.intents or rng.random() < 0.3):
            self.tell_fill(self.late.pop(0))
            return True
        intents = self.next_ones()
        if not intents:
            return False
        key, intent = intents[0] if not world.moods else rng.choice(intents)
        match intent:
            case SubmitIntent():
                self.work(intent)
            case LegIntent():
                work_leg(world, intent)
            case CancelIntent():
                self.cancel(intent)
            case BookingIntent():
                self.book(intent)
                world.tell(c.BookingReported(command_id=world.new_id(), booking_id=key, done=True))
            case FlatIntent():
                kept = set(intent.kept_tickets.tolist())
                held = vec([a for a in intent.account_ids.tolist() if self.holds(a, kept)])
                world.tell(
                    c.FlatReported(command_id=world.new_id(), check_id=key, open_account_ids=held)
                )
            case BalanceIntent():
                done = not world.moods or rng.random() < 0.8
                if done:
                    self.balance[intent.account_id] += intent.amount_minor
                world.tell(
                    c.BalanceReported(command_id=world.new_id(), operation_id=key, done=done)
                )
        return True

    def next_ones(self) -> list[tuple[UUID, Intent]]:
        """Orders and cancellations as they like; bookings and money one after the other."""
        found = list(self.world.book.intents.items())
        lane = [pair for pair in found if isinstance(pair[1], _LANE)]
        return lane[:1] + [pair for pair in found if not isinstance(pair[1], _LANE)]

    # -- orders

    def work(self, intent: SubmitIntent) -> None:
        """Fill an order, in part or whole; refuse it; leave a limit that is not reached."""
        world, rng = self.world, self.world.rng
        if intent.order_id in self.ended:
            return
        mood = rng.random() if world.moods else 0.0
        quote = world.quotes()[intent.symbol]
        here = quote.ask if intent.side == "buy" else quote.bid
        sign = 1 if intent.side == "buy" else -1
        rests = intent.price_points is not None and (here - intent.price_points) * sign > 0
        if rests and (world.is_resting or not world.moods or mood > 0.8):
            self.end(intent, "cancelled" if mood < 0.9 else "expired")
        elif rests:
            return
        elif mood > 0.9:
            self.end(intent, "rejected")
        else:
            left = intent.steps - self.filled.get(intent.order_id, 0)
            steps = rng.randint(1, left) if mood > 0.6 else left
            self.tell_fill(self.execute(intent, steps, here))

    def execute(self, intent: SubmitIntent, steps: int, points: int) -> c.FillReported:
        """A deal, not yet told."""
        world = self.world
        deal_id = world.new_deal()
        filled = self.filled[intent.order_id] = self.filled.get(intent.order_id, 0) + steps
        self.deals[deal_id] = Deal(steps, points, steps)
        return c.FillReported(
            command_id=world.new_id(),
            order_id=intent.order_id,
            deal_id=deal_id,
            steps=steps,
            cum_steps=filled,
            leaves_steps=intent.steps - filled,
            price_points=points,
            rates={"USD": Decimal(1)} if intent.symbol != "USDJPY" else {},
            server_seq=world.deals,
            at_ms=world.now_ms,
            symbol=intent.symbol,
            side=intent.side,
        )

    def tell_fill(self, report: c.FillReported) -> None:
        """Tell it; sometimes twice, as servers may."""
        body = self.world.tell(report)
        self.told.append((report, body))
        if self.world.moods and self.world.rng.random() < 0.1:
            again, first = self.world.rng.choice(self.told)
            assert self.world.tell(again) is first

    def end(self, intent: SubmitIntent, how: str) -> None:
        """No more of this order, but what crossed with the end on its way."""
        world, rng = self.world, self.world.rng
        self.ended.add(intent.order_id)
        left = intent.steps - self.filled.get(intent.order_id, 0)
        if world.moods and world.directs and left and rng.random() < LATE:
            quote = world.quotes()[intent.symbol]
            here = quote.ask if intent.side == "buy" else quote.bid
            self.late.append(self.execute(intent, rng.randint(1, left), here))
        world.tell(
            c.OrderEnded(
                command_id=world.new_id(),
                order_id=intent.order_id,
                how=how,  # type: ignore[arg-type]
                code="no",
            )
        )

    def cancel(self, intent: CancelIntent) -> None:
        world = self.world
        order = world.book.intents.get(intent.order_id)
        done = isinstance(order, SubmitIntent) and world.moods and world.rng.random() < 0.5
        if done and isinstance(order, SubmitIntent):
            self.end(order, "cancelled")
        world.tell(
            c.CancelReported(
                command_id=world.new_id(), cancel_id=intent.cancel_id, done=done, code="x"
            )
        )

    # -- bookings

    def holds(self, account_id: int, kept: set[int]) -> bool:
        """A ticket of the book; kept ones are their owner's."""
        mine = (t for t, steps in self.tickets.items() if steps and self.owners[t] == account_id)
        return any(ticket not in kept for ticket in mine)

    def close_itself(self, ticket: int, steps: int, pnl_minor: int) -> None:
        """A stop-out, or its staff: the ticket is closed and the money booked."""
        self.tickets[ticket] -= steps
        assert self.tickets[ticket] >= 0
        self.balance[self.owners[ticket]] += pnl_minor

    def book(self, intent: BookingIntent) -> None:
        """What a server checks before it books, and what it does then."""
        accounts, steps = intent.account_ids.tolist(), intent.steps.tolist()
        tickets = intent.ticket_ids.tolist()
        if intent.deal_ids:
            deals = [self.deals[deal_id] for deal_id in intent.deal_ids]
            volume = sum(deal.steps for deal in deals)
            price = half_up_div(sum(deal.steps * deal.points for deal in deals), volume)
            assert intent.price_points == price
            left = sum(steps)
            assert left <= sum(deal.left for deal in deals)
            for deal in deals:
                taken = min(left, deal.left)
                deal.left -= taken
                left -= taken
        if not intent.closing:
            assert not set(tickets) & self.tickets.keys()
            self.tickets.update(zip(tickets, steps, strict=True))
            self.owners.update(zip(tickets, accounts, strict=True))
            return
        for ticket, volume, account, pnl in zip(
            tickets, steps, accounts, intent.pnl_minor.tolist(), strict=True
        ):
            self.tickets[ticket] -= volume
            assert self.tickets[ticket] >= 0
            self.balance[account] += pnl

    def compare(self) -> None:
        """Nothing is on its way: the book's tickets, balances and volume are the server's."""
        book = self.world.book
        open_here = {ticket: steps for ticket, steps in self.tickets.items() if steps}
        open_there: dict[int, int] = {}
        for block in book.blocks.values():
            if block.status == "open":
                booked = block.open_steps
                if block.legs is not None:
                    booked = np.where(block.legs.is_leg, 0, booked)
                found = zip(block.ticket_ids.tolist(), booked.tolist(), strict=True)
                open_there.update({ticket: steps for ticket, steps in found if steps})
        kept = {ticket: one.steps for ticket, one in self.world.kept.items()}
        assert not open_there.keys() & kept.keys()
        assert {**open_there, **kept} == open_here
        for account, balance in self.balance.items():
            away = self.world.away.get(account, 0)
            assert int(book.members.balance_minor[book.index[account]]) + away == balance
        assert sum(deal.left for deal in self.deals.values()) == self.unowned()

    def unowned(self) -> int:
        """Volume executed without us that no account could take: the master's own, and shown."""
        total = 0
        for body in self.world.bodies:
            if "closed_steps" in body.result and isinstance(
                body.stimulus, c.OutsideFill | c.FillReported
            ):
                given = (ev.BlockFilled, ev.CloseFilled)
                owned = sum(e.filled_steps for e in body.events if isinstance(e, given))
                total += body.stimulus.steps - owned
        return total
