"""When a frame is due: at a change at once, and each second though nothing moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from apps.core.book.apply import apply
from apps.core.book.commands import Inputs, OpenBook
from apps.core.book.decide import decide
from apps.core.book.market import Market
from apps.engine.actor import BookActor
from apps.engine.guard import Guard
from apps.engine.publisher import Publisher
from apps.engine.venues import Venues

NOW_MS = 1_800_000_000_000


class Pipeline:
    """Collects what would go to Redis."""

    def __init__(self) -> None:
        self.published: list[str] = []

    def set(self, key: str, data: bytes) -> None:
        pass

    def publish(self, channel: str, data: bytes) -> None:
        self.published.append(channel)


class Quiet:
    """A session that quotes nothing."""

    quotes: dict[str, Any] = {}


@pytest.fixture
def actor() -> Any:
    """A quiet book: no member, no quote that moves."""
    command = OpenBook(
        command_id=uuid4(), book_id=uuid4(), book_no=1, master_login=1, currency="USD",
        currency_digits=2,
    )  # fmt: skip
    decision = decide(None, command, Inputs(now_ms=NOW_MS, quotes={}))
    return SimpleNamespace(
        state=apply(None, decision.events),
        is_committing=False,
        changes=1,
        epoch=1,
        seq=1,
        quotes=dict,
        venues=Venues(cast(Any, Quiet()), {}, list),
        guard=Guard(lambda _: None, "UTC"),
        row=SimpleNamespace(broker="acme", book_id=uuid4()),
    )


@pytest.mark.parametrize(("later_ms", "frames"), [(999, 1), (1_000, 2)])
def test_a_quiet_book_is_shown_each_second(actor: Any, later_ms: int, frames: int) -> None:
    publisher = Publisher(cast(Any, None), list, list)
    pipeline = Pipeline()
    for at_ms in (NOW_MS, NOW_MS + later_ms):
        market = Market({}, at_ms, max_age_ms=0)
        publisher._frame(cast(Any, pipeline), cast(BookActor, actor), market, set())
    assert len(pipeline.published) == frames
