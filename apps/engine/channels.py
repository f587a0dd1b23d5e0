"""Every Redis key and channel of the engine, in one place. All carry the broker's slug.

cmd:{broker}:{book}            list     requests to the book (LPUSH; the engine BRPOPs)
reply:{broker}:{request}       list     the one answer to a request; expires
lease:{broker}:{book}          string   the owner; expires when its engine stops renewing it
frames:{broker}:{book}         channel  frames, ≤ 10 a second, conflated
frame:{broker}:{book}          string   the last frame
quotes:{broker}:{server}        channel  quote frames, ≤ 10 a second, conflated
quotes-latest:{broker}:{server} string   the last quote of every symbol of one trading server
quoting:{broker}               set      ids of the servers that have quoted
engine-status:{broker}         string   what the status page shows of the engine; expires
engine-wake                    channel  "look for new books now"
"""

from __future__ import annotations

from uuid import UUID

REPLY_TTL_S = 60
LEASE_TTL_S = 5
WAKE = "engine-wake"


def commands(broker: str, book_id: UUID) -> str:
    return f"cmd:{broker}:{book_id}"


def reply(broker: str, request_id: str) -> str:
    return f"reply:{broker}:{request_id}"


def lease(broker: str, book_id: UUID) -> str:
    return f"lease:{broker}:{book_id}"


def frames(broker: str, book_id: UUID) -> str:
    return f"frames:{broker}:{book_id}"


def frame(broker: str, book_id: UUID) -> str:
    return f"frame:{broker}:{book_id}"


def quotes(broker: str, server_id: int) -> str:
    return f"quotes:{broker}:{server_id}"


def quotes_latest(broker: str, server_id: int) -> str:
    return f"quotes-latest:{broker}:{server_id}"


def quoting(broker: str) -> str:
    return f"quoting:{broker}"


def status(broker: str) -> str:
    return f"engine-status:{broker}"
