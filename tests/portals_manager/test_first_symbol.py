"""Which symbol the terminal opens with: what is held last, else a major, else the first."""

from __future__ import annotations

import uuid

import pytest

from apps.accounts.models import Symbol
from apps.engine.messages import BlockView, Frame
from apps.portals.manager.views.terminal import first_symbol
from tests.live.publisher import frame

ALL = ("AUDUSD", "EURUSD.r", "GBPUSD", "XAUUSD")


def holding(*symbols: str) -> Frame:
    views = [
        BlockView(
            block_id=uuid.uuid4(), symbol=name, side="buy", open_steps=1, open_points=1,
            floating_minor=0,
        )
        for name in symbols
    ]  # fmt: skip
    return frame([], blocks=views)


@pytest.mark.parametrize(
    ("names", "book", "first"),
    [
        (ALL, holding("GBPUSD", "XAUUSD"), "XAUUSD"),
        (ALL, holding("DELISTED"), "EURUSD.r"),
        (ALL, None, "EURUSD.r"),
        (("AUDUSD", "XAUUSD"), None, "AUDUSD"),
        ((), None, ""),
    ],
)
def test_the_terminal_opens_with_what_matters(
    names: tuple[str, ...], book: Frame | None, first: str
) -> None:
    assert first_symbol([Symbol(name=name) for name in names], book) == first
