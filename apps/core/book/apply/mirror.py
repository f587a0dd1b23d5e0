"""Servers beside the master's, and legs."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from apps.core.book import events as ev
from apps.core.book.apply.shared import Handlers, rebase
from apps.core.book.codec import Vec
from apps.core.book.mirror.venues import leg_close_id, leg_order_id, own_points
from apps.core.book.state import (
    HOME,
    Block,
    BookState,
    Leg,
    LegFills,
    LegIntent,
    Legs,
    Note,
    SubmitIntent,
    next_status,
)
from apps.core.ints import BoolArray


def _venue_defined(state: BookState, event: ev.VenueDefined) -> None:
    venue = event.venue
    state.mirror.venues[venue.server_id] = msgspec.structs.replace(venue, symbols=[])
    if venue.server_id != HOME:
        state.mirror.cursors.setdefault(venue.server_id, venue.cursor)
    for symbol in venue.symbols:
        key = f"{symbol.name}@{venue.server_id}"
        state.define_symbol(msgspec.structs.replace(symbol, name=key))


def _execution_set(state: BookState, event: ev.ExecutionSet) -> None:
    state.mirror.mode = event.mode


def _planned(state: BookState, event: ev.LegsPlanned) -> None:
    block = state.blocks[event.block_id]
    size, at = block.members.size, event.ordinals
    vectors: dict[str, Any] = {name: np.zeros(size, dtype=np.int64) for name in _VECTORS}
    for name in ("server_ids", "symbol_at", "own_steps"):
        vectors[name][at] = getattr(event, name)
    sendable = event.own_steps > 0
    on_way = Leg.WAITING if event.waits else Leg.SENT
    vectors["status"][at] = np.where(sendable, int(on_way), int(Leg.FAILED))
    block.legs = Legs(
        reference_points=event.reference_points,
        symbols=event.symbols,
        pending=int(np.count_nonzero(sendable)),
        codes={
            int(ordinal): Note(int(note)).name.lower()
            for ordinal, note in zip(at[~sendable], event.notes[~sendable], strict=True)
        },
        **vectors,
    )
    _without_legs(state, block, int(block.target_steps[at].sum()))
    if not event.waits:
        _send(state, block, at[sendable], block.legs.decided_at_ms)


_VECTORS = (
    "server_ids",
    "status",
    "symbol_at",
    "own_steps",
    "own_open",
    "own_closing",
    "open_points",
    "position_ids",
    "attempts",
)


def _without_legs(state: BookState, block: Block, leg_steps: int) -> None:
    """The master order is of the booked shares alone; without any there is none."""
    order = state.intents[block.block_id]
    if not isinstance(order, SubmitIntent) or block.legs is None:
        return
    block.legs.decided_at_ms = order.decided_at_ms
    if order.steps == leg_steps:
        del state.intents[block.block_id]
    else:
        state.intents[block.block_id] = msgspec.structs.replace(
            order, steps=order.steps - leg_steps
        )


def _send(state: BookState, block: Block, ordinals: Vec, decided_at_ms: int) -> None:
    legs = block.legs
    if legs is None:
        return
    for ordinal in ordinals.tolist():
        ticket_id = block.first_ticket_id + ordinal
        order_id = leg_order_id(block.block_id, ticket_id, int(legs.attempts[ordinal]))
        state.intents[order_id] = LegIntent(
            order_id=order_id,
            block_id=block.block_id,
            ordinal=ordinal,
            server_id=int(legs.server_ids[ordinal]),
            login=int(state.members.logins[block.members[ordinal]]),
            symbol=legs.symbol(ordinal),
            side=block.side,
            steps=int(block.target_steps[ordinal]),
            own_steps=int(legs.own_steps[ordinal]),
            decided_at_ms=decided_at_ms,
            reference_points=_reference(state, block, legs.symbol(ordinal), legs.reference_points),
        )


def _reference(state: BookState, block: Block, symbol: str, points: int) -> int:
    return own_points(points, state.symbols[block.symbol], state.symbols[symbol])


def _sent(state: BookState, event: ev.LegsSent) -> None:
    block = state.blocks[event.block_id]
    if block.legs is None:
        return
    block.legs.reference_points = event.reference_points
    waiting = np.flatnonzero(block.legs.status == Leg.WAITING)
    block.legs.status[waiting] = Leg.SENT
    _send(state, block, waiting, event.decided_at_ms)


def _retried(state: BookState, event: ev.LegsRetried) -> None:
    block = state.blocks[event.block_id]
    if block.legs is None:
        return
    block.legs.status[event.ordinals] = Leg.SENT
    block.legs.attempts[event.ordinals] = event.attempts
    block.legs.pending += event.ordinals.size
    for ordinal in event.ordinals.tolist():
        block.legs.codes.pop(ordinal, None)
    _send(state, block, event.ordinals, event.decided_at_ms)


def _partly(state: BookState, event: ev.LegPartlyFilled) -> None:
    before = state.mirror.fills.get(event.order_id, LegFills())
    state.mirror.fills[event.order_id] = before.plus(
        event.deal_id, event.own_steps, event.price_points, event.profit_minor
    )


def _taken(
    state: BookState, event: ev.LegFilled | ev.LegClosed | ev.LegFailed
) -> tuple[Block, Legs, LegIntent]:
    """The leg's order is settled: its intent is gone."""
    intent = state.intents.pop(event.order_id)
    state.mirror.fills.pop(event.order_id, None)
    block = state.blocks[event.block_id]
    assert isinstance(intent, LegIntent)
    assert block.legs is not None
    return block, block.legs, intent


def _filled(state: BookState, event: ev.LegFilled) -> None:
    block, legs, _ = _taken(state, event)
    at = event.ordinal
    if block.status == "sent":
        block.status = next_status(block.status, "filled")
        block.open_points = legs.reference_points
    legs.status[at] = Leg.FILLED
    legs.pending -= 1
    legs.own_open[at] = event.own_steps
    legs.open_points[at] = event.price_points
    legs.position_ids[at] = event.position_id
    block.open_steps[at] += event.steps
    block.base_steps[at] += event.steps
    _expose(state, block, event.symbol, at, event.own_steps, event.price_points)


def _closed(state: BookState, event: ev.LegClosed) -> None:
    block, legs, intent = _taken(state, event)
    at = event.ordinal
    block.closing_steps[at] -= intent.steps
    block.open_steps[at] -= event.steps
    legs.own_closing[at] -= intent.own_steps
    legs.own_open[at] -= event.own_steps
    if event.steps != intent.steps:
        rebase(state, block)
    _expose(state, block, event.symbol, at, -event.own_steps, int(legs.open_points[at]))
    state.members.balance_minor[block.members[at]] += event.pnl_minor


def _failed(state: BookState, event: ev.LegFailed) -> None:
    block, legs, intent = _taken(state, event)
    at = event.ordinal
    legs.codes[at] = event.code
    if event.close_id is None:
        legs.status[at] = Leg.FAILED
        legs.pending -= 1
        return
    block.closing_steps[at] -= intent.steps
    legs.own_closing[at] -= intent.own_steps
    rebase(state, block)


def _settled(state: BookState, event: ev.LegsSettled) -> None:
    """A whole mirror block shows the average; one with a master order keeps that price."""
    block = state.blocks[event.block_id]
    if block.legs is not None and block.legs.is_leg.all():
        block.open_points = event.price_points


def _expose(
    state: BookState, block: Block, symbol: str, ordinal: int, steps: int, points: int
) -> None:
    exposure = state.exposure(symbol)
    side = "long" if block.side == "buy" else "short"
    place = int(block.members[ordinal])
    getattr(exposure, f"{side}_steps")[place] += steps
    getattr(exposure, f"{side}_cost")[place] += steps * points


def close_legs(state: BookState, block: Block, event: ev.CloseRequested) -> BoolArray:
    """Legs of a close get closing orders of their own; bool per row: which are legs."""
    legs = block.legs
    ordinals = event.ticket_ids - block.first_ticket_id
    if legs is None:
        return np.zeros(ordinals.size, dtype=bool)
    for row, ordinal in enumerate(ordinals.tolist()):
        if legs.status[ordinal] == Leg.BOOKED:
            continue
        symbol, own = legs.symbol(ordinal), int(event.own_steps[row])
        order_id = leg_close_id(event.close_id, block.first_ticket_id + ordinal)
        legs.own_closing[ordinal] += own
        state.intents[order_id] = LegIntent(
            order_id=order_id,
            block_id=block.block_id,
            ordinal=ordinal,
            server_id=int(legs.server_ids[ordinal]),
            login=int(state.members.logins[block.members[ordinal]]),
            symbol=symbol,
            side="sell" if block.side == "buy" else "buy",
            steps=int(event.steps[row]),
            own_steps=own,
            decided_at_ms=event.decided_at_ms,
            reference_points=_reference(state, block, symbol, event.reference_points),
            close_id=event.close_id,
            position_id=int(legs.position_ids[ordinal]),
        )
    return legs.is_leg[ordinals]


HANDLERS: Handlers = {
    ev.VenueDefined: _venue_defined,
    ev.ExecutionSet: _execution_set,
    ev.LegsPlanned: _planned,
    ev.LegsSent: _sent,
    ev.LegsRetried: _retried,
    ev.LegPartlyFilled: _partly,
    ev.LegFilled: _filled,
    ev.LegClosed: _closed,
    ev.LegFailed: _failed,
    ev.LegsSettled: _settled,
}
