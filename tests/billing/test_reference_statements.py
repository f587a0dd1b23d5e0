"""The public reference cases as investors read them: the text of each PDF, and that it verifies.

Accounts, trades and flows go through the whole path: run, ledger, document, PDF.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.billing.models import Document
from apps.billing.services.documents import canonical, pdf_of
from tenants.figures import Marks, money_text
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.billing.test_fee_runs import settle, take
from tests.billing.test_statement_pdf import text_of

PLAIN = Marks()


@pytest.fixture
def case(shared_data: Path) -> Callable[[str], dict[str, Any]]:
    found = json.loads((shared_data / "reference_cases.json").read_text())["cases"]
    by_id: dict[str, dict[str, Any]] = {each["id"]: each for each in found}
    return by_id.__getitem__


def minor(amount: str) -> int:
    return int(Decimal(amount) * 100)


def text(amount: str) -> str:
    """ "11400.00" → "11,400.00"."""
    return money_text(minor(amount), "USD", PLAIN)


def month_end(history: History, number: int) -> None:
    settle(f"2026-{number:02d}")
    take(history, f"2026-{number + 1:02d}-01 00:30")


def statements() -> list[str]:
    documents = Document.objects.filter(kind="fee_statement").order_by("number")
    for document in documents:
        assert sha256(canonical(document.data)).hexdigest() == document.data_sha256
    return [text_of(pdf_of(document)) for document in documents]


@pytest.mark.parametrize("name", ["F-01", "F-02"])
def test_each_month_prints_the_fee_the_equity_and_the_mark_of_the_public_table(
    in_acme: Broker, case: Callable[[str], dict[str, Any]], name: str
) -> None:
    inputs, expected = case(name)["inputs"], case(name)["expected"]
    history = History(minor(inputs["initial"]), joined="2026-01-01 00:00")
    plan(history.master, inputs["rate"], basis=inputs["hwm_basis"])
    before = []
    for number in range(1, len(expected["fee"]) + 1):
        if "monthly_pnl" in inputs:
            gain = minor(inputs["monthly_pnl"][number - 1])
        else:
            gain = minor(inputs["month_end_equity_before_fee"][number - 1]) - history.balance
        history.realise(f"2026-{number:02d}-20 12:00", gain)
        before.append(history.balance)
        month_end(history, number)
    rate = f"{Decimal(inputs['rate']) * 100:.0f}%"
    pages = statements()
    for place, page in enumerate(pages):
        fee, after = expected["fee"][place], expected["equity_after"][place]
        equity = money_text(before[place], "USD", PLAIN)
        assert f"Performance fee for the period {text(fee)} USD" in page
        assert f"Equity before the fee {equity} USD" in page
        assert f"Closing equity {text(after)} USD" in page
        assert f"{text(expected['hwm_after'][place])} " in page.partition("Mark after")[2]
        assert f"{rate} × max(0, {equity} USD − " in page
        assert f"= {text(fee)} USD" in page
    assert len(pages) == len(expected["fee"])


def test_a_withdrawal_below_the_mark_prints_the_mark_lowered_in_proportion(
    in_acme: Broker, case: Callable[[str], dict[str, Any]]
) -> None:
    inputs = case("F-06")["inputs"]
    expected = case("F-06")["expected"]["withdrawal_rule=proportional"]
    start = minor(inputs["hwm"])
    history = History(start, joined="2026-01-01 00:00")
    plan(history.master)
    history.realise("2026-01-10 12:00", minor(inputs["equity_before"]) - start)
    history.flow("2026-01-11 12:00", -minor(inputs["withdrawal"]))
    settle("2026-01")
    (page,) = statements()
    printed = {Decimal(found) for found in re.findall(r"\d+\.\d{6}", page)}
    assert Decimal(expected["hwm"]) in {mark.quantize(Decimal("0.0001")) for mark in printed}
    assert f"Closing equity {text(expected['equity'])} USD" in page
    assert f"−{text(inputs['withdrawal'])} USD" in page


def test_loss_withdrawal_deposit_and_recovery_print_as_the_case_says(
    in_acme: Broker, case: Callable[[str], dict[str, Any]]
) -> None:
    inputs = case("F-10")["inputs"]
    rows = case("F-10")["expected"]["withdrawal_rule=proportional"]
    history = History(minor(inputs["initial"]), joined="2026-01-01 00:00")
    plan(history.master, inputs["rate"], basis=inputs["hwm_basis"])
    number, day = 1, 1
    for kind, amount in inputs["events"]:
        day += 1
        at = f"2026-{number:02d}-{day:02d} 12:00"
        if kind == "pnl":
            history.realise(at, minor(amount))
        elif kind in ("wd", "dep"):
            history.flow(at, minor(amount) * (-1 if kind == "wd" else 1))
        else:
            month_end(history, number)
            number, day = number + 1, 1
    charged = [row for row in rows if row[0] != "withdrawal"]
    pages = statements()
    assert len(pages) == len(charged)
    for page, (fee, equity, mark) in zip(pages, charged, strict=True):
        assert f"Performance fee for the period {text(fee)} USD" in page
        assert f"Closing equity {text(equity)} USD" in page
        assert text(mark) in page.partition("Mark after")[2]
    (lowered,) = [row[2] for row in rows if row[0] == "withdrawal"]
    assert text(lowered) in pages[-1].partition("Mark after")[2]


def test_the_digest_on_a_reference_statement_verifies_and_another_does_not(
    in_acme: Broker, client_at: Callable[[str], Client]
) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    settle("2026-10")
    document = Document.objects.get()
    page = text_of(pdf_of(document)).replace(" ", "")
    assert f"/verify/{document.reference}?digest={document.data_sha256}" in page
    client, path = client_at("acme"), f"/verify/{document.reference}"
    assert client.get(path, {"digest": document.data_sha256}).status_code == 200
    assert client.get(path, {"digest": "0" * 64}).status_code == 404
