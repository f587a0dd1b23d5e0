"""Pending orders and stops whose price was passed while no engine looked."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal

import pytest

from apps.core.book import commands as c
from apps.demo.main_job_setup import make_stage
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread, committed

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


def test_what_was_passed_while_the_engine_was_down_happens_at_the_first_quote(
    own_broker: Broker, simulator: str
) -> None:
    """A stop fills at the market of then, a limit at its price or better, what expired does not."""
    slug = own_broker.slug
    with EngineThread(f"{slug}/one", slug):
        stage = committed(lambda: make_stage(slug, 6, seed=8, say=lambda _: None))
        desk = Desk(stage, simulator)
        with desk.euro():
            stop = desk.place("1.00", kind="stop", price=Decimal("1.08100"))
            expiring = desk.place(
                "1.00",
                kind="stop",
                price=Decimal("1.08100"),
                expiry="date",
                expires_at_ms=time.time_ns() // 1_000_000 + 1_500,
            )
            guarded = desk.place(
                "1.00",
                kind="stop_limit",
                price=Decimal("1.08100"),
                limit_price=Decimal("1.08120"),
            )
            protected = desk.place("1.00", stop_loss=Decimal("1.07500"))
            for block_id in (stop, expiring, guarded):
                desk.wait_state(block_id, "pending")
            desk.wait_state(protected, "open")
    with desk.price("EURUSD") as feed:
        time.sleep(1.6)
        feed(109_000, 109_010)
        with EngineThread(f"{slug}/two", slug):
            desk.wait_state(stop, "open")
            desk.wait_state(guarded, "sent")
            desk.wait_state(expiring, "cancelled")
            assert desk.column(expiring, "reject_code") == ("expired",)
            assert desk.column(stop, "open_price") == (Decimal("1.09010"),)
            desk.execute(c.CancelAll(command_id=uuid.uuid4()))
            desk.wait_state(guarded, "cancelled")
            feed(107_000, 107_010)
            desk.wait_state(protected, "closed")
            assert desk.column(protected, "close_price") == (Decimal("1.07"),)
            desk.execute(c.CloseAll(command_id=uuid.uuid4()))
            desk.wait_state(stop, "closed")
            assert desk.verify().server == "equal"
