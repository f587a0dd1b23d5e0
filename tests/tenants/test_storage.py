"""A broker's tables leave room for the next version of rows that change soon."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

from django.db import connection
from django.db.models import F

from apps.allocation.models import Ticket
from tenants.door import broker_schema
from tenants.models import Broker

TICKETS = 2_000


def index_bytes() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_indexes_size('allocation_ticket')")
        return int(cursor.fetchone()[0])


def test_closing_every_ticket_of_a_block_touches_no_index(acme: Broker) -> None:
    now, block = datetime.now(UTC), uuid4()
    with broker_schema("acme"):
        Ticket.objects.bulk_create(
            Ticket(
                id=number,
                block_id=block,
                account_id=number,
                symbol="EURUSD",
                side=1,
                steps=5,
                open_steps=5,
                volume_step=Decimal("0.01"),
                open_price=Decimal("1.08"),
                opened_at=now,
                seq=1,
            )
            for number in range(1, TICKETS + 1)
        )
        before = index_bytes()
        Ticket.objects.filter(block_id=block).update(open_steps=0, seq=F("seq") + 1, closed_at=now)
        assert index_bytes() == before
