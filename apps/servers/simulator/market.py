"""The prices that all named servers of one process share: latest ticks, sources, listeners."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from apps.core.sessions import Sessions, is_open
from apps.servers.simulator.rates import Tick

_ALWAYS: Mapping[str, Sessions] = {}
Listener = Callable[[list[tuple[str, Tick]]], None]


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Market:
    """A symbol has one source at a time: the generator, or a connection that took it over."""

    def __init__(
        self,
        *,
        stale_after_ms: int,
        clock: Callable[[], int] = wall_ms,
        sessions: Mapping[str, Sessions] = _ALWAYS,
    ) -> None:
        self.sessions = sessions
        self.ticks: dict[str, Tick] = {}
        self.now_ms = clock
        self._stale_after_ms = stale_after_ms
        self._listeners: list[Listener] = []
        self._taken_by: dict[str, object] = {}
        self._closed: set[str] = set()

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def publish(self, ticks: Iterable[tuple[str, int, int, int]]) -> None:
        """(symbol, bid points, ask points, source_ms), oldest first; stamped with our clock."""
        at_ms = self.now_ms()
        fresh = [
            (symbol, Tick(bid, ask, at_ms, source_ms)) for symbol, bid, ask, source_ms in ticks
        ]
        if not fresh:
            return
        self.ticks.update(fresh)
        for listener in list(self._listeners):
            listener(fresh)

    # -- who quotes a symbol

    def take(self, symbols: Iterable[str], owner: object) -> None:
        """`owner` becomes the only source of these symbols: the generator pauses."""
        for symbol in symbols:
            self._taken_by[symbol] = owner
            self._closed.discard(symbol)

    def owned_by(self, symbol: str, owner: object) -> bool:
        return self._taken_by.get(symbol) is owner

    def is_taken(self, symbol: str) -> bool:
        return symbol in self._taken_by

    def release(self, owner: object) -> None:
        self._taken_by = {k: v for k, v in self._taken_by.items() if v is not owner}

    # -- may one trade?

    def set_closed(self, symbol: str, closed: bool) -> None:
        (self._closed.add if closed else self._closed.discard)(symbol)

    def why_not(self, symbol: str) -> str | None:
        """None: it can be dealt now; else `market_closed`, `no_quote` or `stale_quote`."""
        in_session = is_open(self.sessions.get(symbol, ()), self.now_ms())
        if symbol in self._closed or not in_session:
            return "market_closed"
        tick = self.ticks.get(symbol)
        if tick is None:
            return "no_quote"
        return "stale_quote" if self.now_ms() - tick.at_ms > self._stale_after_ms else None
