"""Tickets that the trading server closed from its side: its stop-out, or its staff. Pure."""

from __future__ import annotations

from decimal import Decimal

from apps.core.book.codec import vec
from apps.core.book.commands import ServerClosed
from apps.core.book.events import BlockClosed, Event, TicketClosedByServer
from apps.core.book.filling import flat_members
from apps.core.book.placing import Decided
from apps.core.book.state import Block, BookState
from apps.core.errors import ConflictError, InputError


def server_closed(state: BookState, report: ServerClosed) -> Decided:
    """Take it up: the ticket's volume and P&L as the server has them, the block re-based.

    Raises ConflictError `ticket_not_open`, `ticket_being_closed`.
    """
    block, ordinal = find_ticket(state, report.ticket_id)
    if report.steps > int(block.open_steps[ordinal]):
        raise ConflictError("ticket_not_open", "The server closed more than this book has open.")
    if report.steps > int(block.open_steps[ordinal] - block.closing_steps[ordinal]):
        raise ConflictError("ticket_being_closed", "An order of ours is closing this ticket.")
    place = int(block.members[ordinal])
    events: list[Event] = [
        TicketClosedByServer(
            ticket_id=report.ticket_id,
            block_id=block.block_id,
            account_id=int(state.members.account_ids[place]),
            deal_id=report.deal_id,
            steps=report.steps,
            price_points=report.price_points,
            pnl_minor=_minor(state, place, report.pnl),
            reason=report.reason,
            at_ms=report.at_ms,
        )
    ]
    left = block.open_steps.copy()
    left[ordinal] -= report.steps
    if not left.any() and not block.awaits_legs:
        events.append(BlockClosed(block_id=block.block_id, at_ms=report.at_ms))
    if not left[ordinal]:
        events += flat_members(state, vec([place]), {block.block_id})
    return events, {}


def _minor(state: BookState, place: int, amount: Decimal) -> int:
    currency = state.currencies[int(state.members.currency[place])]
    scaled = amount.scaleb(state.digits_of[currency])
    if scaled != scaled.to_integral_value():
        raise InputError("amount_invalid", f"{amount} has more digits than {currency}.")
    return int(scaled)


def find_ticket(state: BookState, ticket_id: int) -> tuple[Block, int]:
    """The open block and the ticket's ordinal in it. Raises ConflictError `ticket_not_open`."""
    for block in state.blocks.values():
        ordinal = ticket_id - block.first_ticket_id
        if block.status == "open" and 0 <= ordinal < block.members.size:
            if block.legs is not None and block.legs.is_leg[ordinal]:
                break  # a leg's position has a number of its server's, never this one
            return block, ordinal
    raise ConflictError(
        "ticket_not_open", f"This book has no ticket {ticket_id} open.", ticket_id=ticket_id
    )


def is_being_closed(state: BookState, report: ServerClosed) -> bool:
    """Whether an order of ours must end before this report can be taken up."""
    for block in state.blocks.values():
        ordinal = report.ticket_id - block.first_ticket_id
        if block.status == "open" and 0 <= ordinal < block.members.size:
            free = int(block.open_steps[ordinal] - block.closing_steps[ordinal])
            return free < report.steps <= int(block.open_steps[ordinal])
    return False
