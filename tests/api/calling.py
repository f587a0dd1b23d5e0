"""Speaking to the API as a broker's own program does: one host, one key."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.test import Client
from django.utils import timezone

from apps.accounts.models import Link, Master
from apps.allocation.models import Allocation, Block, Ticket

At = Callable[[str], Client]
ORDER = {"symbol": "EURUSD", "side": "buy", "lots": "1.00"}


class Caller:
    """Speaks to one broker's host with one key."""

    def __init__(self, client: Client, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers=self.headers)

    def post(
        self, path: str, body: Any, idempotency_key: str | None = None, raw: bytes | None = None
    ) -> Any:
        extra = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.client.post(
            f"/api/v1/{path}",
            data=raw if raw is not None else json.dumps(body),
            content_type="application/json",
            headers={**self.headers, **extra},
        )


def code(response: Any) -> tuple[int, str]:
    body = json.loads(response.content)
    assert set(body) == {"code", "message", "details", "request_id"}
    assert body["request_id"] == response["X-Request-Id"]
    return response.status_code, body["code"]


def a_block(book: Master, links: list[Link]) -> Block:
    block = Block.objects.create(
        id=uuid.uuid4(),
        book_id=book.public_id,
        command_id=uuid.uuid4(),
        symbol="EURUSD",
        side=1,
        type="market",
        state="open",
        volume_step=Decimal("0.01"),
        digits=5,
        requested_steps=100,
        volume_steps=99,
        filled_steps=99,
        open_steps=99,
        residual_steps=1,
        open_price=Decimal("1.08552"),
        placed_at=timezone.now(),
        seq=4,
    )
    for number, one in enumerate(links):
        Allocation.objects.create(
            block_id=block.id,
            account_id=one.account_id,
            weight=1,
            requested_steps=Decimal("33.33333333"),
            steps=33,
        )
        Ticket.objects.create(
            id=2**53 + number,
            block_id=block.id,
            account_id=one.account_id,
            symbol="EURUSD",
            side=1,
            steps=33,
            open_steps=33,
            volume_step=Decimal("0.01"),
            open_price=Decimal("1.08552"),
            realised_minor=-1234,
            opened_at=timezone.now(),
            seq=4,
        )
    return block
