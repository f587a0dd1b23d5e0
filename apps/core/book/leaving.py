"""Deciding who leaves and what leaves with it: unlinking, tickets taken out, own tickets. Pure."""

from __future__ import annotations

from uuid import uuid5

import numpy as np

from apps.core.book.closing import close_of_member, close_request
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import DetachTickets, LeaveMode, OwnTicketClosed, UnlinkAccount
from apps.core.book.events import (
    BlockClosed,
    CloseRequested,
    Event,
    MemberDetached,
    MemberDetaching,
    OwnTicketReduced,
    TicketsReleased,
)
from apps.core.book.market import Market
from apps.core.book.placing import Decided
from apps.core.book.state import DETACHING, GOING, Block, BookState
from apps.core.errors import ConflictError, NotFoundError, RejectedError


def unlink_account(state: BookState, command: UnlinkAccount, market: Market) -> Decided:
    """Take an account out: closed at the market, with its tickets kept, or when it is flat."""
    at = state.member(command.account_id)
    match command.mode:
        case "close_at_market":
            return _close_and_leave(state, command, at, market)
        case "keep_tickets":
            return _keep_and_leave(state, command, at, market)
        case "when_flat":
            return _leave_when_flat(state, command, at)


def _close_and_leave(state: BookState, command: UnlinkAccount, at: int, market: Market) -> Decided:
    """Close the account's tickets at the market, on that account alone; detach when flat."""
    closes: list[CloseRequested] = []
    for block in state.blocks.values():
        if block.status == "open":
            close_id = uuid5(command.command_id, str(block.block_id))
            request = close_of_member(state, block, vec([at]), close_id, market.now_ms)
            if request is not None:
                market.fresh(block.symbol)
                closes.append(request)
    waiting = has_business(state, at)
    if state.members.status[at] == DETACHING and not closes:
        raise ConflictError("already_detaching", "This account is being detached already.")
    detaching = MemberDetaching(
        account_id=command.account_id, close_ids=[c.close_id for c in closes]
    )
    events: list[Event] = [detaching, *closes]
    if not waiting:
        events.append(detached(state, at))
    return events, {
        "account_id": command.account_id,
        "status": "detaching" if waiting else "detached",
        "closes": [
            {
                "block_id": str(close.block_id),
                "symbol": state.blocks[close.block_id].symbol,
                "steps": close.order_steps,
                "ticket_ids": close.ticket_ids.tolist(),
            }
            for close in closes
        ],
    }


def _keep_and_leave(state: BookState, command: UnlinkAccount, at: int, market: Market) -> Decided:
    """The account's tickets leave the book as they are; it is detached in this record."""
    if any(_opens(block, at) for block in state.blocks.values()):
        raise ConflictError(
            "order_on_its_way",
            "An order is on its way in which this account has a share; again in a moment.",
            account_id=command.account_id,
        )
    chosen = _open_tickets(state, at)
    events = _release(state, at, chosen, market.now_ms)
    detaching = MemberDetaching(account_id=command.account_id, close_ids=[], mode=command.mode)
    return [detaching, *events, detached(state, at)], {
        "account_id": command.account_id,
        "status": "detached",
        "tickets": sum(int(ordinals.size) for _, ordinals in chosen),
    }


def _opens(block: Block, at: int) -> bool:
    """Whether an order on its way may still open something for the account."""
    if block.legs is not None and block.legs.awaited(block.members == at):
        return True
    return block.status == "sent" and _involves(block, at)


def _leave_when_flat(state: BookState, command: UnlinkAccount, at: int) -> Decided:
    if int(state.members.status[at]) in GOING:
        raise ConflictError("already_detaching", "This account is being detached already.")
    mode: LeaveMode = command.mode
    events: list[Event] = [MemberDetaching(account_id=command.account_id, close_ids=[], mode=mode)]
    waiting = has_business(state, at)
    if not waiting:
        events.append(detached(state, at))
    return events, {
        "account_id": command.account_id,
        "status": "leaving" if waiting else "detached",
        "tickets": sum(int(ordinals.size) for _, ordinals in _open_tickets(state, at)),
    }


def detach_tickets(state: BookState, command: DetachTickets, market: Market) -> Decided:
    """Tickets of one account leave their blocks, closed or kept; nobody else is touched."""
    at = state.member(command.account_id)
    chosen = _chosen(state, at, command)
    if not chosen:
        raise RejectedError("nothing_to_detach", "This account has nothing open in this book.")
    result = {
        "account_id": command.account_id,
        "tickets": sum(int(ordinals.size) for _, ordinals in chosen),
    }
    if command.mode == "keep_tickets":
        events = _release(state, at, chosen, market.now_ms)
        if int(state.members.status[at]) in GOING and _is_all(state, at, chosen):
            events.append(detached(state, at))
        return events, {**result, "status": "released"}
    closes = _close_requests(state, command, chosen, market)
    return [*closes], {
        **result,
        "status": "closing",
        "closes": [
            {
                "block_id": str(close.block_id),
                "steps": close.order_steps,
                "ticket_ids": close.ticket_ids.tolist(),
            }
            for close in closes
        ],
    }


Chosen = list[tuple[Block, Vec]]
"""Blocks, and the ordinals of one account's tickets in each."""


def _open_tickets(state: BookState, at: int) -> Chosen:
    """All that the account has open, whether it is being closed or not."""
    found = [
        (block, np.flatnonzero((block.members == at) & (block.open_steps > 0)))
        for block in state.blocks.values()
        if block.status == "open"
    ]
    return [(block, ordinals) for block, ordinals in found if ordinals.size]


def _chosen(state: BookState, at: int, command: DetachTickets) -> Chosen:
    """The tickets named (none named: all). Raises NotFoundError `ticket_not_open`."""
    mine = _open_tickets(state, at)
    if not command.ticket_ids:
        return mine
    wanted = np.unique(vec(command.ticket_ids))
    named = [
        (block, ordinals[np.isin(block.ticket_ids[ordinals], wanted)]) for block, ordinals in mine
    ]
    chosen = [(block, ordinals) for block, ordinals in named if ordinals.size]
    known = [block.ticket_ids[ordinals] for block, ordinals in chosen]
    missing = np.setdiff1d(wanted, np.concatenate(known) if known else vec())
    if missing.size:
        raise NotFoundError(
            "ticket_not_open",
            f"Account {command.account_id} has no open ticket {int(missing[0])} in this book.",
            ticket_id=int(missing[0]),
        )
    return chosen


def _close_requests(
    state: BookState, command: DetachTickets, chosen: Chosen, market: Market
) -> list[CloseRequested]:
    """Raises RejectedError `close_exceeds_open` when all of it is being closed already."""
    closes: list[CloseRequested] = []
    for block, ordinals in chosen:
        steps = np.zeros_like(block.open_steps)
        steps[ordinals] = (block.open_steps - block.closing_steps)[ordinals]
        if not steps.any():
            continue
        market.fresh(block.symbol)
        close_id = uuid5(command.command_id, str(block.block_id))
        closes.append(close_request(state, block, close_id, steps, market.now_ms, detaches=True))
    if not closes:
        raise RejectedError("close_exceeds_open", "These tickets are being closed already.")
    return closes


def _release(state: BookState, at: int, chosen: Chosen, at_ms: int) -> list[Event]:
    """Raises ConflictError `tickets_closing`: what is being closed cannot be kept; RejectedError
    `legs_not_kept`: nor a position that an order of the account's own opened."""
    if any(
        block.legs is not None and bool(block.legs.is_leg[ordinals].any())
        for block, ordinals in chosen
    ):
        raise RejectedError(
            "legs_not_kept",
            "Positions that orders of the account's own opened are closed, not kept.",
        )
    if any(block.closing_steps[ordinals].any() for block, ordinals in chosen):
        raise ConflictError(
            "tickets_closing",
            "Some of these tickets are being closed right now; again in a moment.",
        )
    account_id = int(state.members.account_ids[at])
    events: list[Event] = []
    for block, ordinals in chosen:
        steps = block.open_steps[ordinals]
        events.append(
            TicketsReleased(
                block_id=block.block_id,
                account_id=account_id,
                symbol=block.symbol,
                side=block.side,
                open_points=block.open_points,
                ticket_ids=block.ticket_ids[ordinals],
                steps=steps,
                at_ms=at_ms,
            )
        )
        if int(block.open_steps.sum()) == int(steps.sum()) and not block.awaits_legs:
            events.append(BlockClosed(block_id=block.block_id, at_ms=at_ms))
    return events


def _is_all(state: BookState, at: int, chosen: Chosen) -> bool:
    """Whether nothing of the account is left once the chosen tickets are out."""
    out = {block.block_id: ordinals.size for block, ordinals in chosen}
    for block in state.blocks.values():
        mine = block.members == at
        if block.legs is not None and block.legs.awaited(mine):
            return False
        if block.status == "sent" and bool(np.any(block.booked_targets[mine] > 0)):
            return False
        held = int(np.count_nonzero(block.open_steps[mine] > 0)) if block.status == "open" else 0
        if held > out.get(block.block_id, 0):
            return False
    return True


def own_ticket_closed(state: BookState, report: OwnTicketClosed) -> Decided:
    """The owner closed a ticket in its own care: its balance follows its server's."""
    ticket = state.own_tickets.get(report.ticket_id)
    if ticket is None or report.server_seq <= ticket.since_seq:
        raise ConflictError("not_pending", "This ticket is in nobody's care here any more.")
    event = OwnTicketReduced(
        account_id=ticket.account_id,
        ticket_id=report.ticket_id,
        deal_id=report.deal_id,
        steps=min(report.steps, ticket.steps),
        price_points=report.price_points,
        pnl_minor=report.pnl_minor,
        at_ms=report.at_ms,
    )
    return [event], {}


def detached(state: BookState, at: int) -> MemberDetached:
    return MemberDetached(
        account_id=int(state.members.account_ids[at]),
        balance_minor=int(state.members.balance_minor[at]),
    )


def has_business(state: BookState, at: int) -> bool:
    """Whether a member has something open, or an order on its way that will open something."""
    return any(_involves(block, at) for block in state.blocks.values())


def _involves(block: Block, at: int) -> bool:
    mine = block.members == at
    if block.legs is not None and block.legs.awaited(mine):
        return True
    if block.status == "sent":
        return bool(np.any(block.booked_targets[mine] > 0))
    return block.status == "open" and bool(np.any(block.open_steps[mine] > 0))
