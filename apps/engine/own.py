"""Tickets in their account's own care: what the server says of them, for the book.

An account that took tickets out of a book, or came with positions of its own, goes on holding them
on its server; they count in its equity and its margin, and closing them moves its balance. The
simulator's tickets carry no owner's tag, so nothing is told to the server when one is taken out:
the book alone stops asking for it.
"""

from __future__ import annotations

from uuid import NAMESPACE_OID, uuid5

from apps.core.book.commands import OwnPosition, OwnTicketClosed
from apps.core.book.state import HOME, BookState
from apps.servers.events import Fill
from apps.servers.types import Position, SymbolSpec


def own_closing(
    state: BookState, fill: Fill, specs: dict[str, SymbolSpec]
) -> OwnTicketClosed | None:
    """The report of a closing that concerns this book, else None."""
    ticket = state.own_tickets.get(fill.position_id or 0)
    if ticket is None or fill.seq <= ticket.since_seq:
        return None
    place = state.index[ticket.account_id]
    if int(state.members.logins[place]) != fill.login:
        return None
    digits = state.digits_of[state.currencies[int(state.members.currency[place])]]
    return OwnTicketClosed(
        command_id=uuid5(NAMESPACE_OID, f"own:{fill.login}:{fill.deal_id}"),
        ticket_id=fill.position_id or 0,
        deal_id=fill.deal_id,
        steps=fill.steps,
        price_points=specs[fill.symbol].to_points(fill.price),
        pnl_minor=int(fill.profit.scaleb(digits)),
        server_seq=fill.seq,
        at_ms=fill.at_ms,
    )


def own_positions(
    state: BookState | None,
    positions: list[Position],
    specs: dict[str, SymbolSpec],
    server_id: int = HOME,
) -> list[OwnPosition]:
    """An account's positions that are no block's, in symbols that the book knows.

    On another server every one counts, whatever its symbol: none may be there on joining.
    """
    known = state.symbols if state is not None else {}
    return [
        OwnPosition(
            ticket_id=one.position_id,
            symbol=one.symbol,
            side="buy" if one.side > 0 else "sell",
            steps=one.steps,
            open_points=specs[one.symbol].to_points(one.open_price),
        )
        for one in positions
        if not one.unallocated and one.symbol in specs
        if server_id != HOME or one.symbol in known
    ]
