"""Completing what was decided: legs of a new block, own volumes of a close. Pure.

Called once for every decision, so that whoever allocates or closes needs to know nothing of legs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.events import (
    BlockAllocated,
    BlockPlaced,
    BlockRejected,
    CloseRequested,
    Event,
    LegsPlanned,
    MemberLinked,
)
from apps.core.book.market import Market
from apps.core.book.mirror.venues import factor, own_volume
from apps.core.book.state import HOME, Block, BookState, Legs, Note
from apps.core.errors import RejectedError
from apps.core.ints import BoolArray


def with_legs(
    state: BookState, events: Sequence[Event], market: Market, *, decided: int
) -> list[Event]:
    """`events` with what legs need put in; the first `decided` of them were asked for, the others
    follow from those (a following close of less than an own step is left out).

    Raises RejectedError `close_rounds_to_zero`.
    """
    servers = _servers(state, events)
    mirrors = state.mirror.mirrors_home or bool(servers)
    placed = {event.block_id: event for event in events if isinstance(event, BlockPlaced)}
    complete: list[Event] = []
    for at, event in enumerate(events):
        match event:
            case BlockAllocated() if mirrors:
                block = placed.get(event.block_id) or state.blocks[event.block_id]
                complete += [event, *_plan(state, block, event, servers)]
            case CloseRequested() if not event.own_steps.size and (legs := _legs_of(state, event)):
                close = _own_close(state, legs, event, market)
                if close is not None:
                    complete.append(close)
                elif at < decided:
                    raise RejectedError(
                        "close_rounds_to_zero",
                        "Every account's part is less than its server's volume step.",
                    )
            case _:
                complete.append(event)
    return complete


def is_leg(state: BookState, account_ids: Vec, servers: dict[int, int] | None = None) -> BoolArray:
    """bool per account: whether it would get an order of its own now. servers: as in Mirror."""
    servers = state.mirror.server_of if servers is None else servers
    if state.mirror.mirrors_home:
        return np.ones(account_ids.size, dtype=bool)
    if not servers:
        return np.zeros(account_ids.size, dtype=bool)
    elsewhere: BoolArray = np.isin(account_ids, vec(sorted(servers)))
    return elsewhere


def _servers(state: BookState, events: Sequence[Event]) -> dict[int, int]:
    """Mirror.server_of, with an account that joins, and takes over shares, in these events."""
    joined = [event.account for event in events if isinstance(event, MemberLinked)]
    if not joined:
        return state.mirror.server_of
    both = state.mirror.server_of | {one.account_id: one.server_id for one in joined}
    return {account: server for account, server in both.items() if server != HOME}


def _plan(
    state: BookState,
    block: Block | BlockPlaced,
    event: BlockAllocated,
    server_of: dict[int, int],
) -> list[Event]:
    """Nothing when every ticket has its share of the master order."""
    accounts = event.account_ids[np.flatnonzero(event.steps)]
    targets = event.steps[np.flatnonzero(event.steps)]
    ordinals = np.flatnonzero(is_leg(state, accounts, server_of))
    if not ordinals.size:
        return []
    keys: dict[int, tuple[str, int]] = {}
    symbols: list[str] = []
    servers, own, notes = [], [], []
    for at in ordinals.tolist():
        server = server_of.get(int(accounts[at]), HOME)
        if server not in keys:
            key = _symbol_at(state, server, block.symbol)
            keys[server] = key, len(symbols)
            symbols.append(key)
        volume, note = _volume(state, block, keys[server][0], int(targets[at]))
        servers.append(server)
        own.append(volume)
        notes.append(int(note))
    waits = ordinals.size < accounts.size
    planned = LegsPlanned(
        block_id=event.block_id,
        ordinals=ordinals,
        account_ids=accounts[ordinals],
        server_ids=vec(servers),
        symbols=symbols,
        symbol_at=vec([keys[server][1] for server in servers]),
        own_steps=vec(own),
        notes=vec(notes),
        reference_points=event.ask_points if block.side == "buy" else event.bid_points,
        waits=waits,
    )
    if waits or any(own):
        return [planned]
    name = Note(notes[0]).name.lower()
    refused = BlockRejected(block_id=event.block_id, code="legs_impossible", raw=name)
    return [planned, refused]


def _symbol_at(state: BookState, server: int, symbol: str) -> str:
    """The key of what `symbol` is on a server; empty where it is nothing."""
    if server == HOME:
        return symbol
    venue = state.mirror.venues.get(server)
    name = venue.names.get(symbol, "") if venue is not None else ""
    key = qualified(name, server)
    return key if key in state.symbols else ""


def qualified(name: str, server_id: int) -> str:
    """The key in BookState.symbols of another server's symbol."""
    return f"{name}@{server_id}"


def _volume(state: BookState, block: Block | BlockPlaced, key: str, steps: int) -> tuple[int, Note]:
    if not key:
        return 0, Note.SYMBOL_NOT_MAPPED
    home, own = state.symbols[block.symbol], state.symbols[key]
    if own is home:
        return steps, Note.EXACT
    return own_volume(steps, factor(home, own), block.rule.rounding, own)


def _legs_of(state: BookState, event: CloseRequested) -> Legs | None:
    block = state.blocks.get(event.block_id)
    return block.legs if block is not None else None


def _own_close(
    state: BookState, legs: Legs, event: CloseRequested, market: Market
) -> CloseRequested | None:
    """With the own steps of every leg; one whose part is less than its own step stays open.

    None where all stay open."""
    block = state.blocks[event.block_id]
    quote = market.last(block.symbol)
    ordinals = event.ticket_ids - block.first_ticket_id
    own, steps = np.zeros_like(event.steps), event.steps.copy()
    for at, ordinal in enumerate(ordinals.tolist()):
        if legs.is_leg[ordinal]:
            own[at], steps[at] = _own_part(state, block, legs, ordinal, int(steps[at]))
    kept = (own > 0) | ~legs.is_leg[ordinals]
    if not kept.any():
        return None
    reference = 0
    if quote is not None:
        reference = quote.bid if block.side == "buy" else quote.ask
    return msgspec.structs.replace(
        event,
        ticket_ids=event.ticket_ids[kept],
        account_ids=event.account_ids[kept],
        steps=steps[kept],
        order_steps=int(steps[kept].sum()),
        own_steps=own[kept],
        reference_points=reference,
    )


def _own_part(
    state: BookState, block: Block, legs: Legs, ordinal: int, steps: int
) -> tuple[int, int]:
    """(own steps, steps) to close of a leg: what leaves the rest; all when that is too little."""
    free = int(legs.own_open[ordinal] - legs.own_closing[ordinal])
    whole = int(block.open_steps[ordinal] - block.closing_steps[ordinal])
    home, own = state.symbols[block.symbol], state.symbols[legs.symbol(ordinal)]
    rate = factor(home, own)
    stays = (whole - steps) * rate.numerator // rate.denominator
    return (free, whole) if stays < own.min_steps else (max(0, free - stays), steps)
