"""What the public status page tells of the engine: the truth, also when that is bad."""

from __future__ import annotations

import time
from dataclasses import dataclass

from apps.core.errors import UnavailableError
from apps.engine import client, sql
from apps.engine.lease import EXPIRY_S
from apps.engine.projector import connect

_GIVEN_UP_S = 1e9
"""A lease that was given up has a heartbeat of 1970."""


@dataclass(frozen=True)
class EngineStatus:
    """One broker. Ages in ms; None: there is nothing to tell the age of.

    lease_age_ms: the oldest heartbeat of a book's lease; journal_lag: records not yet projected;
    lag_age_ms: age of the newest record while there is lag; quote_age_ms: of the newest quote.
    """

    broker: str
    owners: list[str]
    books: int
    books_served: int
    lease_age_ms: int | None
    journal_lag: int
    lag_age_ms: int | None
    quote_age_ms: int | None

    @property
    def is_up(self) -> bool:
        """Whether every book that was ever run is served now."""
        return self.books_served == self.books


def engine_status(broker: str) -> EngineStatus:
    """The broker's engine as of now, from the leases, the journal and the last quotes."""
    with connect() as connection:
        leases = connection.execute(sql.statement(broker, sql.LEASES)).fetchall()
        lag = connection.execute(sql.statement(broker, sql.LAG)).fetchall()
    now_ms = time.time_ns() // 1_000_000
    fresh = [row for row in leases if row[3] < EXPIRY_S]
    ages_s = [row[3] for row in leases if row[3] < _GIVEN_UP_S]
    behind = [row for row in lag if row[1] > row[3]]
    return EngineStatus(
        broker=broker,
        owners=sorted({row[1] for row in fresh}),
        books=len(leases),
        books_served=len(fresh),
        lease_age_ms=int(max(ages_s) * 1000) if ages_s else None,
        journal_lag=sum(row[1] - row[3] for row in behind),
        lag_age_ms=max((now_ms - row[2] for row in behind), default=None),
        quote_age_ms=_quote_age_ms(broker, now_ms),
    )


def _quote_age_ms(broker: str, now_ms: int) -> int | None:
    try:
        quotes = client.latest_quotes(broker)
    except UnavailableError:
        return None
    return min((now_ms - quote.at_ms for quote in quotes.values()), default=None)
