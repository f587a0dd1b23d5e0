"""A hard stop with the engine killed (kill -9) in every phase that it passes."""

from __future__ import annotations

import uuid
from decimal import Decimal
from pathlib import Path

import pytest

from apps.core.book.commands import HardStop, PlaceBlock
from apps.core.errors import RejectedError
from apps.demo.main_job_setup import make_stage
from apps.engine import client
from tenants.models import Broker
from tests.engine.desk import Desk, Supervisor, committed, wait_for
from tests.engine.test_risk import phase

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


def epoch(desk: Desk) -> int:
    """Of the book's owner: it grows with every taking over, however short the gap was."""
    frame = client.latest_frame(desk.broker, desk.stage.book_id)
    return frame.epoch if frame is not None else 0


def wait_for_next(desk: Desk, known: int) -> None:
    wait_for(lambda: epoch(desk) > known, 60)


def test_a_hard_stop_goes_on_after_kill_9_in_any_of_its_states(
    own_broker: Broker, simulator: str, process_env: dict[str, str], tmp_path: Path
) -> None:
    environment = {**process_env, "SIM_URL": simulator}
    with Supervisor(own_broker.slug, environment, tmp_path / "engine.pid") as supervisor:
        stage = committed(lambda: make_stage(own_broker.slug, 20, seed=3, say=lambda _: None))
        desk = Desk(stage, simulator)
        blocks = [desk.place("2.00"), desk.place("1.00", "GBPUSD", side="sell")]
        for block_id in blocks:
            desk.wait_state(block_id, "open")
        ask = HardStop(command_id=uuid.uuid4(), party="broker", token="")
        seen = client.preview_stop(desk.broker, stage.book_id, ask)
        desk.execute(HardStop(command_id=uuid.uuid4(), party="broker", token=seen.token))
        killed: set[str] = set()
        while (now := wait_for(lambda: phase(desk, None), 60)) != "blocked":
            if now not in killed:
                killed.add(now)
                known = epoch(desk)
                supervisor.kill()
                wait_for_next(desk, known)
        assert len(killed) >= 2
        for block_id in blocks:
            desk.wait_state(block_id, "closed")
        rows = desk.sql("SELECT count(DISTINCT close_price) FROM {ticket} GROUP BY block_id")
        assert set(rows) == {(1,)}
        with pytest.raises(RejectedError) as refused:
            desk.execute(
                PlaceBlock(
                    command_id=uuid.uuid4(),
                    symbol="EURUSD",
                    side="buy",
                    volume_lots=Decimal("1.00"),
                )
            )
        assert refused.value.code == "book_stopped"
        desk.verify()
