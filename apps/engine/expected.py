"""What the projection of a book must be, derived from its events without the projection's SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, LiteralString
from uuid import UUID

import numpy as np

from apps.core.book import events as ev
from apps.core.book.codec import Vec
from apps.core.errors import CorruptionError
from apps.core.ints import half_up_div

BLOCKS: Final[LiteralString] = """
SELECT id, state, volume_steps, filled_steps, open_steps, house_points_steps,
    round(open_price * power(10::numeric, digits))::bigint
FROM {block} WHERE book_id = %(book)s
"""
TICKETS: Final[LiteralString] = """
SELECT id, account_id, steps, open_steps, realised_minor,
    round(open_price * 100000000)::bigint
FROM {ticket} WHERE block_id = %(block)s ORDER BY id
"""
SHARES: Final[LiteralString] = """
SELECT account_id, steps FROM {allocation} WHERE block_id = %(block)s ORDER BY account_id
"""
DEALS: Final[LiteralString] = """
SELECT count(*) FILTER (WHERE entry = 'in'), coalesce(sum(steps) FILTER (WHERE entry = 'in'), 0),
    count(*) FILTER (WHERE entry = 'out'), coalesce(sum(steps) FILTER (WHERE entry = 'out'), 0),
    coalesce(sum(pnl_minor), 0)
FROM {deal} WHERE block_id = %(block)s
"""
ACCOUNTS: Final[LiteralString] = """
SELECT account_id, opening_balance_minor, balance_minor FROM {account_state}
WHERE book_id = %(book)s
"""
FLOWS: Final[LiteralString] = """
SELECT f.account_id, sum(f.amount_minor) FROM {cashflow} f
JOIN {account_state} s USING (account_id) WHERE s.book_id = %(book)s GROUP BY f.account_id
"""
REALISED: Final[LiteralString] = """
SELECT t.account_id, sum(t.realised_minor) FROM {ticket} t
JOIN {account_state} s USING (account_id) WHERE s.book_id = %(book)s GROUP BY t.account_id
"""


@dataclass
class BlockRows:
    """One block's rows; ticket vectors in ticket order."""

    digits: int = 0
    state: str = "pending"
    volume_steps: int = 0
    filled_steps: int = 0
    open_points: int | None = None
    shares: dict[int, int] = field(default_factory=dict)
    first_ticket: int = 0
    accounts: Vec = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    steps: Vec = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    closed: Vec = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    realised: Vec = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    deals_out: int = 0
    side: int = 1
    house_points_steps: int = 0
    released_steps: int = 0
    """Left the block, still open on their accounts."""
    has_master: bool = True
    leg_steps: int = 0
    """Open in legs, in the block's steps."""
    legs: dict[int, LegRow] = field(default_factory=dict)

    def tickets(self) -> list[tuple[int, ...]]:
        """(id, account, steps, open steps, realised, open price · 10^8) of those that exist."""
        some = np.flatnonzero(self.steps)
        columns = (
            self.first_ticket + some,
            self.accounts[some],
            self.steps[some],
            (self.steps - self.closed)[some],
            self.realised[some],
            np.full(some.size, _e8(self.open_points or 0, self.digits)),
        )
        booked = list(zip(*(column.tolist() for column in columns), strict=True))
        legs = [
            (ticket, row.account, row.steps, row.open_steps, row.realised, row.price_e8)
            for ticket, row in self.legs.items()
        ]
        return sorted([*booked, *legs])

    def deals(self) -> tuple[int, ...]:
        legs = self.legs.values()
        return (
            int(np.count_nonzero(self.steps)) + len(legs),
            int(self.steps.sum()) + sum(row.steps for row in legs),
            self.deals_out,
            int(self.closed.sum()) + sum(row.steps - row.open_steps for row in legs),
            int(self.realised.sum()) + sum(row.realised for row in legs),
        )


@dataclass
class LegRow:
    """A ticket with a price of its own, in its own steps."""

    account: int
    steps: int
    open_steps: int
    price_e8: int
    realised: int = 0


def _e8(points: int, digits: int) -> int:
    scaled: int = points * 10 ** (8 - digits)
    return scaled


class Expected:
    """Feed it the events in order, then `compare` with the tables."""

    def __init__(self) -> None:
        self.blocks: dict[UUID, BlockRows] = {}
        self.balances: dict[int, int] = {}
        self.released: dict[int, UUID] = {}
        """Tickets in their account's own care → their block."""

    def feed(self, event: ev.Event) -> None:
        match event:
            case ev.BlockPlaced():
                digits, side = event.digits, 1 if event.side == "buy" else -1
                self.blocks[event.block_id] = BlockRows(digits=digits, side=side)
            case ev.BlockAllocated():
                self._allocated(event)
            case ev.BlockFilled():
                self._filled(event)
            case ev.CloseFilled():
                self._closed(event)
            case ev.TicketClosedByServer():
                self._closed_by_server(event)
            case ev.BlockClosed():
                self.blocks[event.block_id].state = "closed"
            case ev.BlockCancelled():
                self.blocks[event.block_id].state = "cancelled"
            case ev.BlockRejected():
                self.blocks[event.block_id].state = "rejected"
            case _:
                self._feed_accounts(event)

    def _feed_accounts(self, event: ev.Event) -> None:
        match event:
            case ev.TicketsReleased():
                self.blocks[event.block_id].released_steps += int(event.steps.sum())
                for ticket in event.ticket_ids.tolist():
                    self.released[ticket] = event.block_id
            case ev.OwnTicketReduced():
                self._own_reduced(event)
            case ev.MemberLinked():
                self.balances[event.account.account_id] = event.account.balance_minor
            case ev.MembersLinked():
                table = event.accounts
                self.balances |= dict(
                    zip(table.account_ids.tolist(), table.balance_minor.tolist(), strict=True)
                )
            case ev.BalanceSettled() if event.done:
                self.balances[event.account_id] += event.amount_minor
            case _:
                self._leg(event)

    def _leg(self, event: ev.Event) -> None:
        match event:
            case ev.LegsPlanned():
                self.blocks[event.block_id].has_master = event.waits
            case ev.LegFilled():
                self._leg_filled(event)
            case ev.LegClosed():
                self._leg_closed(event)
            case ev.LegsSettled() if event.price_points:
                block = self.blocks[event.block_id]
                if not block.has_master:
                    block.open_points = event.price_points
            case _:
                pass

    def _allocated(self, event: ev.BlockAllocated) -> None:
        block = self.blocks[event.block_id]
        block.state, block.volume_steps = "sent", event.order_steps
        block.shares = dict(zip(event.account_ids.tolist(), event.steps.tolist(), strict=True))

    def _filled(self, event: ev.BlockFilled) -> None:
        block = self.blocks[event.block_id]
        block.state, block.filled_steps = "open", event.filled_steps
        block.house_points_steps -= block.side * event.house_points_steps
        block.has_master = True
        block.open_points = event.price_points
        block.first_ticket, block.accounts = event.first_ticket_id, event.account_ids
        block.steps = event.steps
        block.closed, block.realised = np.zeros_like(event.steps), np.zeros_like(event.steps)

    def _leg_filled(self, event: ev.LegFilled) -> None:
        block = self.blocks[event.block_id]
        block.state = "open"
        block.filled_steps += event.steps
        block.leg_steps += event.steps
        if block.open_points is None:
            block.open_points = half_up_div(event.price_points * 10**block.digits, 10**event.digits)
        block.legs[event.ticket_id] = LegRow(
            event.account_id,
            event.own_steps,
            event.own_steps,
            _e8(event.price_points, event.digits),
        )

    def _leg_closed(self, event: ev.LegClosed) -> None:
        block = self.blocks[event.block_id]
        row = block.legs[event.ticket_id]
        row.open_steps -= event.own_steps
        row.realised += event.pnl_minor
        block.leg_steps -= event.steps
        block.deals_out += 1
        self.balances[event.account_id] += event.pnl_minor

    def _closed(self, event: ev.CloseFilled) -> None:
        block = self.blocks[event.block_id]
        block.house_points_steps += block.side * event.house_points_steps
        at = event.ticket_ids - block.first_ticket
        block.closed[at] += event.steps
        block.realised[at] += event.pnl_minor
        block.deals_out += int(np.count_nonzero(event.steps))
        amounts = zip(event.account_ids.tolist(), event.pnl_minor.tolist(), strict=True)
        for account, amount in amounts:
            self.balances[account] += amount

    def _closed_by_server(self, event: ev.TicketClosedByServer) -> None:
        block = self.blocks[event.block_id]
        self._reduce(block, event)
        self.balances[event.account_id] += event.pnl_minor

    def _reduce(
        self, block: BlockRows, event: ev.TicketClosedByServer | ev.OwnTicketReduced
    ) -> None:
        at = event.ticket_id - block.first_ticket
        block.closed[at] += event.steps
        block.realised[at] += event.pnl_minor
        block.deals_out += 1

    def _own_reduced(self, event: ev.OwnTicketReduced) -> None:
        self.balances[event.account_id] += event.pnl_minor
        if event.ticket_id not in self.released:
            return
        block = self.blocks[self.released[event.ticket_id]]
        self._reduce(block, event)
        block.released_steps -= event.steps

    def compare(self, run: Any, book_id: UUID) -> None:
        """`run(template, **parameters)` executes SQL. Raises CorruptionError naming the row."""
        found = {row[0]: row[1:] for row in run(BLOCKS, book=book_id).fetchall()}
        if found.keys() != self.blocks.keys():
            odd = next(iter(found.keys() ^ self.blocks.keys()))
            raise _differs("block", odd, "is in only one of journal and tables")
        for block_id, block in self.blocks.items():
            open_steps = int((block.steps - block.closed).sum()) - block.released_steps
            open_steps += block.leg_steps
            row = (
                block.state,
                block.volume_steps,
                block.filled_steps,
                open_steps,
                block.house_points_steps,
                block.open_points,
            )
            _same("block", block_id, row, found[block_id])
            tickets = [tuple(r) for r in run(TICKETS, block=block_id).fetchall()]
            for want, have in zip(block.tickets(), tickets, strict=False):
                _same("ticket", want[0], want, have)
            _same("tickets of block", block_id, len(block.tickets()), len(tickets))
            shares = dict(run(SHARES, block=block_id).fetchall())
            _same("shares of block", block_id, block.shares, shares)
            deals = tuple(int(v) for v in run(DEALS, block=block_id).fetchone())
            _same("deals of block", block_id, block.deals(), deals)
        self._compare_balances(run, book_id)

    def _compare_balances(self, run: Any, book_id: UUID) -> None:
        """Opening + Σ ticket P&L + Σ flows = balance = what the journal says."""
        flows = {a: int(v) for a, v in run(FLOWS, book=book_id).fetchall()}
        realised = {a: int(v) for a, v in run(REALISED, book=book_id).fetchall()}
        for account, opening, balance in run(ACCOUNTS, book=book_id).fetchall():
            total = opening + realised.get(account, 0) + flows.get(account, 0)
            _same("opening + tickets + flows of account", account, total, balance)
            _same("balance of account", account, self.balances.get(account), balance)


def _same(what: str, key: object, expected: object, found: object) -> None:
    if expected != found:
        raise _differs(what, key, f"is {found}, the journal says {expected}")


def _differs(what: str, key: object, how: str) -> CorruptionError:
    return CorruptionError("projection_differs", f"The {what} {key} {how}.", key=str(key))
