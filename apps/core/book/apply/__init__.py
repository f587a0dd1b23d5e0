"""`apply`: what an event does to the state. Bookkeeping only: no decision, no arithmetic of money
beyond adding what the event says. Works in place; the caller owns the state."""

from __future__ import annotations

from collections.abc import Iterable

from apps.core.book import events as ev
from apps.core.book.apply import blocks, book, closes, links, mirror, risk
from apps.core.book.apply.shared import Handlers
from apps.core.book.state import BookState, new_book
from apps.core.errors import StateError

_HANDLERS: Handlers = {
    **book.HANDLERS,
    **links.HANDLERS,
    **blocks.HANDLERS,
    **closes.HANDLERS,
    **risk.HANDLERS,
    **mirror.HANDLERS,
}


def apply(state: BookState | None, events: Iterable[ev.Event]) -> BookState:
    """The state after `events`. Raises StateError for an event it cannot follow."""
    for event in events:
        if isinstance(event, ev.BookOpened):
            if state is not None:
                raise StateError("book_open", "A book is opened once.")
            state = new_book(
                event.book_id,
                event.book_no,
                event.master_login,
                event.currency,
                event.currency_digits,
            )
            continue
        if state is None:
            raise StateError("book_not_open", "The first event of a book opens it.")
        _HANDLERS[type(event)](state, event)
    if state is None:
        raise StateError("book_not_open", "There is no event to begin with.")
    return state


__all__ = ["apply"]
