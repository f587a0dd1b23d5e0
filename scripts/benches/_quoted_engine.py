"""The engine process of the bench `quotes`: the real one, on a server that only quotes.

Fifty symbols. Each moves every five seconds; ten times a second while the file named by BENCH_STORM
exists. Orders are refused (`market_closed`), so that a book stays as large as it was made.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from apps.core.errors import UnavailableError
from apps.servers import acks, registry
from apps.servers.base import Capabilities
from apps.servers.commands import SubmitOrder
from apps.servers.events import Event, Quote
from apps.servers.types import AccountState, Bar, Health, SymbolSpec

SYMBOLS = 50
CALM_S, STORM_S = 5.0, 0.1
_FX = {"EURUSD": 108_000, "GBPUSD": 127_000, "AUDUSD": 66_000, "NZDUSD": 60_000}


def specs() -> list[SymbolSpec]:
    """Four pairs that price the currencies, and contracts quoted in dollars."""
    names = [*_FX, *(f"CFD{number:02}" for number in range(SYMBOLS - len(_FX)))]
    return [
        SymbolSpec(
            name=name,
            description=name,
            base_currency=name[:3],
            profit_currency="USD",
            margin_currency=name[:3] if name in _FX else "USD",
            margin_mode="fx" if name in _FX else "cfd",
            digits=5 if name in _FX else 2,
            contract_size=Decimal(100_000 if name in _FX else 100),
            volume_min=Decimal("0.01"),
            volume_max=Decimal(10_000),
            volume_step=Decimal("0.01"),
            max_leverage=500,
        )
        for name in names
    ]


def first_points(name: str) -> int:
    return _FX.get(name, 250_000)


class QuotedServer:
    """As much of `TradingServer` as a book asks of a server that refuses every order."""

    def __init__(self, storm: Path) -> None:
        self._storm = storm
        self._points = {spec.name: first_points(spec.name) for spec in specs()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> QuotedServer:
        return cls(Path(os.environ["BENCH_STORM"]))

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(**dict.fromkeys(Capabilities.__struct_fields__, False))

    async def connect(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def health(self) -> Health:
        return Health(up=True, last_seq=0, latency_ms=0.0, server_offset_ms=0)

    async def symbols(self) -> list[SymbolSpec]:
        return specs()

    async def account_state(self, login: int) -> AccountState:
        raise UnavailableError("server_unavailable", "This server keeps no accounts.")

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> list[Bar]:
        return []

    async def subscribe_quotes(self, symbols: Iterable[str]) -> None:
        pass

    async def submit(self, command: SubmitOrder) -> acks.Ack:
        return acks.Rejected(command.command_id, "market_closed", "it only quotes")

    async def resolve(self, command_id: UUID) -> acks.Resolution:
        return acks.NotFound(command_id)

    async def events(self, from_seq: int) -> AsyncIterator[Event]:
        """Every symbol once a round; in ten parts, as ticks come."""
        rng, names = random.Random(1), list(self._points)
        parts = [names[start::10] for start in range(10)]
        while True:
            for part in parts:
                for name in part:
                    yield self._moved(name, rng)
                await asyncio.sleep((STORM_S if self._storm.exists() else CALM_S) / len(parts))

    def _moved(self, name: str, rng: random.Random) -> Quote:
        points = self._points[name] = self._points[name] + rng.choice((-3, -2, -1, 1, 2, 3))
        digits = 5 if name in _FX else 2
        at_ms = time.time_ns() // 1_000_000
        bid, ask = (Decimal(points + gap).scaleb(-digits) for gap in (0, 10))
        return Quote(at_ms=at_ms, symbol=name, bid=bid, ask=ask, source_ms=at_ms)


def main() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    registry.FACTORIES["simulator"] = QuotedServer.from_config  # type: ignore[assignment]
    call_command("run_engine", owner="bench/quoted")


if __name__ == "__main__":
    main()
