"""What the database itself refuses, in a schema cloned from the template."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.billing.models import DocumentCounter, Entry, FeeCharge, LedgerAccount, Line
from apps.billing.services.ledger import NewEntry, Posting, post
from apps.billing.services.numbers import take_numbers
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.billing.test_fee_runs import settle

NOW = datetime(2026, 10, 1, tzinfo=UTC)


def entry(*amounts: int, currency: str = "USD") -> NewEntry:
    postings = tuple(
        Posting(f"account:{number}", "asset", amount) for number, amount in enumerate(amounts)
    )
    return NewEntry(uuid.uuid4().hex, NOW, "test", currency, postings)


def check_now() -> None:
    """Have the deferred triggers look now instead of at the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_an_entry_that_does_not_balance_is_refused_at_the_commit(own_broker: Broker) -> None:
    with broker_schema(own_broker.slug):
        with pytest.raises(IntegrityError, match="does not balance"), transaction.atomic():
            post([entry(100, -99)])
        assert not Entry.objects.exists()
        with transaction.atomic():
            post([entry(100, -60, -40)])
        assert Entry.objects.count() == 1


def test_currencies_do_not_balance_each_other(in_acme: Broker) -> None:
    post([entry(100, -100)])
    euro = LedgerAccount.objects.create(code="x", currency="EUR", type="asset")
    header = Entry.objects.latest("id")
    Line.objects.create(entry=header, account=euro, currency="EUR", amount_minor=5)
    with pytest.raises(IntegrityError, match="does not balance: EUR 5"):
        check_now()


def test_a_line_in_another_currency_than_its_account_is_refused(in_acme: Broker) -> None:
    account = LedgerAccount.objects.create(code="x", currency="EUR", type="asset")
    header = Entry.objects.create(key="k", at=NOW, memo="")
    with pytest.raises(IntegrityError, match="another currency"):
        Line.objects.create(entry=header, account=account, currency="USD", amount_minor=5)


def test_no_line_joins_an_entry_of_an_earlier_transaction(own_broker: Broker) -> None:
    with broker_schema(own_broker.slug):
        with transaction.atomic():
            post([entry(7, -7)])
        header = Entry.objects.latest("id")
        account = LedgerAccount.objects.filter(currency="USD").first()
        with pytest.raises(IntegrityError, match="is posted"), transaction.atomic():
            Line.objects.bulk_create(
                Line(entry=header, account=account, currency="USD", amount_minor=a) for a in (1, -1)
            )


@pytest.mark.parametrize(
    "table",
    [
        "billing_entry", "billing_line", "billing_highwatermark", "billing_feeplan",
        "billing_feeshare", "billing_document", "billing_documentfile",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_posted_tables_refuse_every_change(in_acme: Broker, table: str, statement: str) -> None:
    sql = statement.format(table).replace(
        "SET id = id", "SET sha256 = sha256" if table == "billing_documentfile" else "SET id = id"
    )
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)


def test_a_charges_figures_never_change_but_its_state_follows_the_money(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    settle("2026-10")
    FeeCharge.objects.update(state="collecting")
    with pytest.raises(DatabaseError, match="figures never change"), transaction.atomic():
        FeeCharge.objects.update(amount_minor=1)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        FeeCharge.objects.all()._raw_delete("default")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(-(10**15), 10**15), min_size=2, max_size=6))
def test_the_database_takes_an_entry_exactly_when_it_balances(
    in_acme: Broker, amounts: list[int]
) -> None:
    lines = [amount for amount in amounts if amount]
    balanced = sum(lines) == 0 and len(lines) >= 2
    try:
        with transaction.atomic():
            header = Entry.objects.create(key=uuid.uuid4().hex, at=NOW, memo="")
            account, _ = LedgerAccount.objects.get_or_create(
                code="p", currency="USD", defaults={"type": "asset"}
            )
            Line.objects.bulk_create(
                Line(entry=header, account=account, currency="USD", amount_minor=a) for a in lines
            )
            check_now()
        taken = True
    except IntegrityError:
        taken = False
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    assert taken == balanced


def test_twenty_threads_taking_numbers_leave_no_gap(own_broker: Broker) -> None:
    """Every third transaction fails after it took a number: the number goes to another."""
    taken: list[int] = []
    lock = threading.Lock()
    start = threading.Barrier(20)

    def issue(number: int) -> None:
        start.wait()
        try:
            with broker_schema(own_broker.slug), transaction.atomic():
                got = take_numbers("Entity Ltd", "FS", 2026, 1)[0]
                if number % 3 == 0:
                    raise RuntimeError("the document could not be made")
            with lock:
                taken.append(got)
        except RuntimeError:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=issue, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 14))
    with broker_schema(own_broker.slug):
        assert DocumentCounter.objects.get(legal_entity="Entity Ltd").last == 13
