"""Fees of every kind on the statement: each line, each formula, and that the sheet adds up."""

from __future__ import annotations

from django.db.models import Sum

from apps.billing.models import Document, FeeCharge
from apps.billing.services.documents import pdf_of
from tenants.models import Broker
from tests.billing.history import History, utc
from tests.billing.test_fee_kinds import charge, settle
from tests.billing.test_statement_pdf import text_of


def printed(history: History) -> str:
    document = Document.objects.get(kind="fee_statement", charge__link=history.link)
    charged = FeeCharge.objects.filter(link=history.link).exclude(kind="rebate")
    assert document.total_minor == charged.aggregate(total=Sum("amount_minor"))["total"]
    return text_of(pdf_of(document))


def test_f103_leaving_prints_both_fees_and_how_one_lowers_the_other(in_acme: Broker) -> None:
    history = History(2_000_000)
    charge(
        history,
        performance={"rate": "0.25"},
        management={"rate": "0.02", "base": "opening"},
    )
    history.realise("2026-10-10 12:00", 315_047)
    history.link.status, history.link.left_at = "detached", utc("2026-10-18 00:00")
    history.link.save()
    settle()
    text = printed(history)
    for part in (
        "Performance fee −782.96 USD", "Management fee −18.63 USD", "Closing equity 22,348.88 USD",
        "Management fee: 20,000.00 × 2% × 17 ÷ 365 = 18.63 USD",
    ):  # fmt: skip
        assert part in text, part
    assert "25% × max(0, 23,131.84 USD − 20,000.00) = 25% × 3,131.84 = 782.96 USD" in text


def test_a_hurdle_is_named_where_the_plain_formula_would_lie(in_acme: Broker) -> None:
    history = History(100_000, joined="2025-11-01 00:00")
    charge(history, performance={"rate": "0.2", "hurdle_kind": "hard", "hurdle": "0.05"})
    history.realise("2026-05-10 12:00", 11_000)
    settle()
    text = printed(history)
    assert "1,110.00 USD − 1,000.00 = 110.00 → 12.00 USD by the plan's hurdle" in text
    assert "20% × max(0, 1,110.00" not in text


def test_joining_and_minimum_fees_print_their_formulas(in_acme: Broker) -> None:
    history = History(1_000_000)
    charge(history, joining={"amount": "50"}, minimum="80", management={"rate": "0.01"})
    settle()
    text = printed(history)
    charged = dict(FeeCharge.objects.filter(link=history.link).values_list("kind", "amount_minor"))
    assert charged["joining"] == 5_000
    assert "Joining fee: 50 = 50.00 USD" in text
    assert "Management fee: 10,000.00 × 1% × 31 ÷ 365 = 8.49 USD" in text
    assert "High-water mark When" not in text  # there is no performance fee
    assert sum(charged.values()) == Document.objects.get(kind="fee_statement").total_minor
