"""The servers a book trades on beside the master's: sessions, quotes, and what the book is told.

A map from the master's server to another one is a setting of the broker; what the book decides by
is journaled: whenever map or specifications change, the book is told with a DefineVenue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID, uuid5

import msgspec

from apps.core.book.codec import encode
from apps.core.book.commands import DefineVenue, QuoteIn, VenueInfo
from apps.core.book.mirror.routing import qualified
from apps.core.book.mirror.venues import own_points
from apps.core.book.state import HOME, BookState
from apps.core.errors import RejectedError, UnavailableError
from apps.engine.discovery import MapRow
from apps.engine.session import ServerSession, symbol_info

Sessions = Mapping[int, ServerSession]


class Venues:
    """For one book. `sessions` and `maps` are live views of the broker's."""

    def __init__(
        self,
        home: ServerSession,
        sessions: Sessions,
        maps: Callable[[], list[MapRow]],
    ) -> None:
        self.home = home
        self._sessions = sessions
        self._maps = maps

    def session(self, server_id: int) -> ServerSession | None:
        """None where nothing connects to that server."""
        return self.home if server_id == HOME else self._sessions.get(server_id)

    def id_of(self, server_id: int) -> int:
        """As the book calls it: 0 for the master's own."""
        return HOME if server_id == self.home.row.server_id else server_id

    def connected(self, server_id: int) -> ServerSession:
        """Raises RejectedError `server_not_mapped`, UnavailableError `server_away`."""
        session = self.session(server_id)
        if session is None or (server_id != HOME and self._map_to(server_id) is None):
            raise RejectedError(
                "server_not_mapped",
                "The account lives on another trading server, and no symbol map leads there.",
            )
        if not session.ready.is_set():
            raise UnavailableError("server_away", f"{session.row.name} is not connected now.")
        return session

    def define(self, state: BookState | None, server_id: int, seq: int) -> DefineVenue | None:
        """What the book has to be told of a server; None when it knows all of it already."""
        info = self._info(server_id)
        if state is None or info is None or self._is_known(state, info):
            return None
        book: UUID = state.book_id
        return DefineVenue(command_id=uuid5(book, f"venue:{server_id}:{seq}"), venue=info)

    def quotes(self, state: BookState | None) -> dict[str, QuoteIn]:
        """The master's server's by name, the others' under qualified names.

        Where another server has not quoted yet, its symbol is valued by the master's quote.
        """
        known = self.home.quotes
        venues = state.mirror.venues if state is not None else {}
        if state is None or not venues.keys() - {HOME}:
            return known
        merged = dict(known)
        for server_id, venue in venues.items():
            session = self.session(server_id)
            for name, own in venue.names.items():
                key = qualified(own, server_id)
                quote = session.quotes.get(own) if session is not None else None
                if quote is None and name in known and key in state.symbols:
                    here, there = state.symbols[name], state.symbols[key]
                    quote = QuoteIn(
                        own_points(known[name].bid, here, there),
                        own_points(known[name].ask, here, there),
                        known[name].at_ms,
                    )
                if quote is not None:
                    merged[key] = quote
        return merged

    def changed(self, state: BookState, changed: Mapping[ServerSession, set[str]]) -> set[str]:
        """Keys of this book's symbols whose quotes are among those that changed."""
        keys = set(changed.get(self.home, ()))
        for server_id in state.mirror.venues.keys() - {HOME}:
            session = self.session(server_id)
            if session is not None:
                keys |= {qualified(name, server_id) for name in changed.get(session, ())}
        return keys

    def _map_to(self, server_id: int) -> MapRow | None:
        source = self.home.row.server_id
        return next(
            (row for row in self._maps() if (row.source_id, row.target_id) == (source, server_id)),
            None,
        )

    def _info(self, server_id: int) -> VenueInfo | None:
        session = self.session(server_id)
        if session is None or not session.ready.is_set():
            return None
        allocates = session.server.capabilities.supports_block_allocation
        if server_id == HOME:
            return VenueInfo(server_id=HOME, name=session.row.name, allocates=allocates)
        row = self._map_to(server_id)
        if row is None:
            return None
        names = row.names_for(self.home.specs, session.specs)
        return VenueInfo(
            server_id=server_id,
            name=session.row.name,
            allocates=allocates,
            names=names,
            symbols=[symbol_info(session.specs[own]) for own in sorted(set(names.values()))],
            cursor=session.cursor,
        )

    def _is_known(self, state: BookState, info: VenueInfo) -> bool:
        known = state.mirror.venues.get(info.server_id)
        if known is None:
            # A book on a server that can do everything need not be told so.
            return info.server_id == HOME and info.allocates
        bare = msgspec.structs.replace(info, symbols=[], cursor=known.cursor)
        specs = [
            msgspec.structs.replace(one, name=qualified(one.name, info.server_id))
            for one in info.symbols
        ]
        return encode(bare) == encode(known) and all(
            state.symbols.get(spec.name) == spec for spec in specs
        )
