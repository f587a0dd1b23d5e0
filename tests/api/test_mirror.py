"""Mirror mode by the API: the mode, legs as they stand, retries by decision."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone

from apps.allocation.models import Allocation, Block
from apps.core.book.commands import RetryLegs, SetExecution


def mirror_block(world: Any) -> Block:
    block = Block.objects.create(
        id=uuid.uuid4(),
        book_id=world.book.public_id,
        command_id=uuid.uuid4(),
        symbol="EURUSD",
        side=1,
        type="market",
        state="open",
        volume_step="0.01",
        digits=5,
        requested_steps=100,
        placed_at=timezone.now(),
        seq=1,
    )
    for link, status, code, slippage in (
        (world.links[0], "filled", "", 3),
        (world.links[1], "failed", "no_money", None),
    ):
        Allocation.objects.create(
            block_id=block.id,
            account_id=link.account.pk,
            weight=1,
            requested_steps=50,
            steps=50,
            leg_status=status,
            leg_code=code,
            slippage_points=slippage,
        )
    return block


def test_legs_are_shown_with_their_slippage_and_reason(world: Any) -> None:
    block = mirror_block(world)
    rows = world.api.get(f"blocks/{block.id}/allocations").json()["results"]
    shown = [(row["leg_status"], row["leg_code"], row["slippage_points"]) for row in rows]
    assert shown == [("filled", "", 3), ("failed", "no_money", None)]


def test_a_retry_names_accounts_or_means_all_that_failed(world: Any) -> None:
    block = mirror_block(world)
    account = world.links[1].account
    path = f"blocks/{block.id}/legs/retry"
    one = world.api.post(path, {"accounts": [str(account.public_id)]}, "retry-1")
    everyone = world.api.post(path, {}, "retry-2")
    assert (one.status_code, everyone.status_code) == (200, 200)
    first, second = world.engine.commands
    assert isinstance(first, RetryLegs)
    assert (first.block_id, first.account_ids) == (block.id, [account.pk])
    assert second.account_ids is None
    assert world.api.post(path, {"accounts": ["x"]}, "retry-3").status_code == 400


def test_the_mode_is_set_and_an_unknown_one_refused(world: Any) -> None:
    path = f"books/{world.book.public_id}/execution"
    assert world.api.post(path, {"mode": "mirror"}, "mode-1").status_code == 200
    (command,) = world.engine.commands
    assert isinstance(command, SetExecution)
    assert command.mode == "mirror"
    assert world.api.post(path, {"mode": "copy"}, "mode-2").status_code == 400
