"""What a book is told when it is taken on: that it is new, symbols, its rule, and what was said
on its servers while nobody listened."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import UUID, uuid5

import structlog

from apps.core.allocation import Rule
from apps.core.book.commands import DefineSymbols, OpenBook, SetRule
from apps.core.book.state import BookState
from apps.core.errors import ProrataError
from apps.engine.discovery import BookRow, currency_digits
from apps.engine.outside import OutsideTrades
from apps.engine.session import ServerSession, symbol_info
from apps.engine.venues import Venues
from apps.servers.types import SymbolSpec

log = structlog.get_logger("engine.book")
_RETRY_S = 0.5


def opening(row: BookRow, server_seq: int) -> OpenBook:
    """The first stimulus of a new book; it listens to its server after `server_seq`."""
    return OpenBook(
        command_id=uuid5(row.book_id, "open"),
        book_id=row.book_id,
        book_no=row.book_no,
        master_login=row.master_login,
        currency=row.currency,
        currency_digits=currency_digits(row.currency),
        server_seq=server_seq,
    )


def new_symbols(
    book_id: UUID, state: BookState | None, seq: int, specs: Mapping[str, SymbolSpec]
) -> DefineSymbols | None:
    """Specifications that are new or differ from what the book knows; None where none are."""
    known = state.symbols if state is not None else {}
    infos = [symbol_info(spec) for spec in specs.values()]
    changed = [info for info in infos if known.get(info.name) != info]
    if not changed:
        return None
    return DefineSymbols(command_id=uuid5(book_id, f"symbols:{seq}"), symbols=changed)


def first_rule(row: BookRow, state: BookState | None) -> SetRule | None:
    """A book that has no rule yet takes the one its master was created with."""
    if state is None or state.rule is not None or not row.rule:
        return None
    try:
        rule = Rule.from_dict(row.rule)
    except ProrataError as error:
        log.error("bad_rule", book=str(row.book_id), error=error.message)
        return None
    return SetRule(command_id=uuid5(row.book_id, "rule"), rule=rule)


async def catch_up(
    book_id: UUID, session: ServerSession, after_seq: int, outside: OutsideTrades
) -> None:
    """Fills that were told while nobody listened."""
    while True:
        try:
            await session.replay(after_seq)
            return outside.begin()
        except (ProrataError, TimeoutError) as error:
            log.warning("replay_failed", book=str(book_id), error=repr(error))
            await asyncio.sleep(_RETRY_S)


async def catch_up_at(book_id: UUID, venues: Venues, server_id: int, after_seq: int) -> None:
    """The same of another server, once it is there."""
    while True:
        session = venues.session(server_id)
        try:
            if session is not None and session.ready.is_set():
                return await session.replay(after_seq)
        except (ProrataError, TimeoutError) as error:
            log.warning("replay_failed", book=str(book_id), error=repr(error))
        await asyncio.sleep(_RETRY_S)
