"""The fee statement: what is in its text, what it may read, that it never changes."""

from __future__ import annotations

import hashlib
import io

import pytest
from django.db import connection
from pypdf import PdfReader

from apps.billing.models import Document, DocumentFile
from apps.billing.pdf import mark_text, render_document
from apps.billing.services.documents import digest, pdf_of
from apps.billing.weasy import AssetFetcher, ForbiddenUrlError
from apps.core.errors import CorruptionError
from tenants.models import Brand, Broker
from tests.billing.history import History, plan
from tests.billing.test_fee_runs import settle


@pytest.fixture
def statement(in_acme: Broker) -> Document:
    """Mark 10,000; gain of 1,234.56 realised and 100.44 floating; fee 20 % of 1,335.00."""
    Brand.objects.filter(broker=in_acme).update(
        display_name="Acme Markets", legal_name="Acme Markets Ltd", legal_footer="Reg. No. 12-345",
        logo_light="demo/acme/logo-light.svg",
    )  # fmt: skip
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 123_456)
    history.mark("2026-10-31 23:59", floating=10_044)
    settle("2026-10")
    return Document.objects.get()


def text_of(pdf: bytes) -> str:
    pages = PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_the_text_holds_the_figures_the_formula_and_the_brand(statement: Document) -> None:
    text = text_of(pdf_of(statement))
    for part in (
        "10,000.00 USD", "+1,234.56 USD", "+100.44 USD", "11,335.00 USD", "−267.00 USD",
        "11,068.00 USD", "20% × max(0, 11,335.00 USD − 10,000.00) = 20% × 1,335.00 = 267.00 USD",
        "Acme Markets Ltd", "Reg. No. 12-345", statement.reference, "October 2026",
    ):  # fmt: skip
        assert part in text, part


def test_the_digest_on_the_page_is_that_of_the_data(statement: Document) -> None:
    assert digest(statement.data) == statement.data_sha256
    assert statement.data_sha256 in text_of(pdf_of(statement)).replace(" ", "")


def test_the_file_is_made_once_and_stays(statement: Document) -> None:
    first = pdf_of(statement)
    Brand.objects.update(display_name="Renamed", legal_name="Renamed Ltd")
    assert pdf_of(statement) == first
    assert DocumentFile.objects.get().sha256 == hashlib.sha256(first).hexdigest()


def test_altered_data_yields_no_file(statement: Document) -> None:
    statement.data["figures"]["fee_minor"] = 1
    with pytest.raises(CorruptionError, match="digest"):
        pdf_of(statement)


def test_an_altered_file_is_not_handed_out(statement: Document) -> None:
    pdf_of(statement)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # as who owns the disk
        cursor.execute("UPDATE billing_documentfile SET pdf = 'x'")
        cursor.execute("SET LOCAL session_replication_role = origin")
    with pytest.raises(CorruptionError, match="altered"):
        pdf_of(statement)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "http://127.0.0.1/x.png", "asset:///../config/settings/env.py",
        "asset:///%2e%2e/manage.py", "asset://host/css/tokens.css", "data:text/plain,x",
        "asset:////etc/passwd",
    ],
)  # fmt: skip
def test_only_our_own_assets_can_be_read(url: str) -> None:
    with pytest.raises(ForbiddenUrlError):
        AssetFetcher().fetch(url)


def test_a_name_with_markup_is_text(statement: Document) -> None:
    data = {**statement.data, "investor": '<img src="x">Eve'}
    assert '<img src="x">Eve' in text_of(render_document(data, "0" * 64, b"{}"))


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("7471.698113", "USD", "74.716981"), ("1000000.000000", "USD", "10,000.00"),
        ("1000.500000", "JPY", "1,000.5000"),
    ],
)  # fmt: skip
def test_a_mark_is_shown_with_the_places_that_matter(value: str, currency: str, text: str) -> None:
    assert mark_text(value, currency) == text
