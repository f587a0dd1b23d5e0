"""What the tables say about a block, its tickets, the sub-accounts and the candles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.test import Client

from apps.allocation.models import AccountState, Allocation, Bar, Ticket
from tenants.door import broker_schema
from tests.factories import account
from tests.portals_manager.conftest import Book
from tests.portals_manager.test_orders import block, text_of

START = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


def test_a_block_opens_to_every_share_with_ticket_quota_and_reason(
    book: Book, manager: Client
) -> None:
    row = block(book)
    with broker_schema("acme"):
        for number, linked in enumerate(book.links):
            Allocation.objects.create(
                block_id=row.id, account_id=linked.account_id, weight=1,
                requested_steps=Decimal("33.3333"), steps=number * 10,
                reason="" if number else "rounded_to_zero",
            )  # fmt: skip
        Ticket.objects.create(
            id=7001, block_id=row.id, account_id=book.links[2].account_id, symbol="EURUSD", side=1,
            steps=20, open_steps=20, volume_step="0.01", open_price="1.0851",
            realised_minor=-1234, opened_at=START, seq=3,
        )  # fmt: skip
    page = text_of(manager.get(f"{book.url}blocks/{row.id}/tickets"))
    assert "#7001" in page
    assert "0.3333" in page
    assert "Rounded to zero" in page
    assert "▼ −12.34 USD" in page
    journal = text_of(manager.get(f"{book.url}blocks?view=journal"))
    assert "Rounded to zero: 1" in journal


def test_tickets_come_in_pages_and_an_open_row_stays_open(book: Book, manager: Client) -> None:
    row = block(book)
    with broker_schema("acme"):
        Allocation.objects.bulk_create(
            Allocation(
                block_id=row.id, account_id=account().pk, weight=1, requested_steps=1, steps=1
            )
            for _ in range(63)
        )  # fmt: skip
    first = manager.get(f"{book.url}blocks/{row.id}/tickets")
    assert "1–25 of 63" in text_of(first)
    assert "26–50 of 63" in text_of(manager.get(f"{book.url}blocks/{row.id}/tickets?page=2"))
    table = manager.get(f"{book.url}blocks?view=open&open={row.id}").content.decode()
    assert 'aria-expanded="true"' in table
    assert "of 63" in table


def test_views_hold_the_states_they_name(book: Book, manager: Client) -> None:
    rows = {state: block(book, state=state) for state in ("open", "sent", "pending", "rejected")}
    with broker_schema("acme"):
        rows["rejected"].reject_code = "no_money"
        rows["rejected"].save()
    seen = {
        view: {
            state
            for state, row in rows.items()
            if str(row.id) in manager.get(f"{book.url}blocks?view={view}").content.decode()
        }
        for view in ("open", "pending", "journal")
    }
    assert seen == {"open": {"open", "sent"}, "pending": {"pending"}, "journal": set(rows)}
    assert "no_money" in text_of(manager.get(f"{book.url}blocks?view=journal"))
    assert manager.get(f"{book.url}blocks?view=all").status_code == 404


def test_sub_accounts_show_the_projected_state_and_can_be_found(
    book: Book, manager: Client
) -> None:
    found = book.links[0].account
    with broker_schema("acme"):
        AccountState.objects.create(
            account_id=found.pk, book_id=book.master.public_id, currency="USD",
            opening_balance_minor=0, balance_minor=1_000_000, equity_minor=1_250_050,
            floating_minor=250_050, margin_minor=500_020, marked_at=START, seq=1,
        )  # fmt: skip
    page = text_of(manager.get(f"{book.url}accounts?q={found.login}"))
    for figure in ("10,000.00 USD", "12,500.50 USD", "▲ +2,500.50 USD", "250.0%"):
        assert figure in page
    assert str(book.links[1].account.login) not in page
    for query in ("x", "9" * 40, "-1", "١٢٣"):
        assert "No such login" in text_of(manager.get(f"{book.url}accounts", {"q": query}))


def test_candles_are_aggregated_from_minutes(book: Book, manager: Client) -> None:
    with broker_schema("acme"):
        for minute, (low, high) in enumerate([(1.1, 1.2), (1.0, 1.3), (1.15, 1.25)]):
            Bar.objects.create(
                server_id=book.master.account.server_id, symbol="EURUSD",
                at=START + timedelta(minutes=minute), open=low, high=high, low=low, close=high,
                ticks=5,
            )  # fmt: skip
    five = manager.get(f"{book.url}bars?symbol=EURUSD&interval=M5").json()["bars"]
    start_ms = int(START.timestamp() * 1000)
    assert five == [[start_ms, "1.10000", "1.30000", "1.00000", "1.25000", 15]]
    one = manager.get(f"{book.url}bars?symbol=EURUSD&interval=M1").json()["bars"]
    assert [bar[0] for bar in one] == [start_ms, start_ms + 60_000, start_ms + 120_000]
    bad = manager.get(f"{book.url}bars?symbol=EURUSD&interval=M2")
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "bad_interval")
    absent = manager.get(f"{book.url}bars?symbol=NOPE&interval=M1")
    assert (absent.status_code, absent.json()["error"]["code"]) == (404, "unknown_symbol")
