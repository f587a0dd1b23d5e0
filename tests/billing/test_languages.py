"""Documents in the reader's language: catalogues complete, scripts shaped, one record in each."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import date
from typing import Any

import pytest
from babel.messages.pofile import read_po
from django.utils import translation
from pypdf import PdfReader

from apps.billing import words
from apps.billing.models import Document
from apps.billing.pdf import document_html, render_document
from apps.billing.services.documents import canonical, digest, pdf_of
from apps.billing.services.messages import message_for
from apps.billing.services.run_documents import issue_run_documents
from scripts.launcher import frontend, locales
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.billing.test_documents import entity
from tests.billing.test_fee_runs import settle

LANGUAGES = ("ar", "zh-hans")
ARABIC = re.compile(r"[\u0600-\u06ff\ufb50-\ufdff\ufe70-\ufeff]")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def statement(language: str, name: str = "Reader") -> Document:
    history = History(1_000_000)
    history.investor.language, history.investor.full_name = language, name
    history.investor.save()
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    settle("2026-10")
    return Document.objects.get()


def reader(document: Document) -> PdfReader:
    return PdfReader(io.BytesIO(pdf_of(document)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_of_documents_and_mail_is_translated(language: str) -> None:
    folder = locales.LOCALE / words.LANGUAGES[language][0]
    with (folder / "LC_MESSAGES" / "django.po").open("rb") as source:
        found = {message.id: message.string for message in read_po(source) if message.id}
    assert {text for text in locales.wanted() if not found.get(text)} == set()
    assert set(found) - locales.wanted() == set(), "translated, but said nowhere"


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("ar", "ar"), ("ar-AE", "ar"), ("zh-hans", "zh-hans"), ("zh_CN", "zh-hans"),
        ("zh", "zh-hans"),        ("zh-TW", "en"), ("en-GB", "en"), ("tlh", "en"), ("", "en"),
    ],
)  # fmt: skip
def test_a_reader_gets_the_nearest_language(wanted: str, language: str) -> None:
    assert words.language_for(wanted) == language


@pytest.mark.parametrize(
    ("language", "month", "day", "amount"),
    [
        ("en", "October 2026", "October 31, 2026", "1,234.56 USD"),
        ("ar", "أكتوبر 2026", "31 أكتوبر 2026", "1,234.56 USD"),
        ("zh-hans", "2026年10月", "2026年10月31日", "1,234.56 USD"),
    ],
)
def test_dates_are_the_languages_and_digits_the_same_everywhere(
    language: str, month: str, day: str, amount: str
) -> None:
    with translation.override(language):
        when = date(2026, 10, 31)
        assert (words.month(when), words.day(when)) == (month, day)
        assert words.money(123_456, "USD") == amount


@pytest.mark.parametrize(("language", "script"), [("ar", ARABIC), ("zh-hans", CHINESE)])
def test_a_statement_speaks_the_readers_language_and_the_same_figures(
    in_acme: Broker, language: str, script: re.Pattern[str]
) -> None:
    document = statement(language)
    text = " ".join(page.extract_text() for page in reader(document).pages)
    assert len(script.findall(text)) > 100
    assert "Opening equity" not in text
    for figure in ("10,000.00", "10,500.00", "100.00", document.reference):
        assert figure in text, figure


def test_arabic_pages_run_from_right_to_left(in_acme: Broker) -> None:
    html = document_html(statement("ar").data, "0" * 64)
    assert '<html lang="ar" dir="rtl">' in html


def test_each_script_has_its_own_packaged_font_and_all_are_embedded(in_acme: Broker) -> None:
    if not frontend.is_current():
        pytest.skip("the front-end packages are not installed: scripts/test brings them")
    document = statement("ar", name="منى 王小明 Ольга Žižek")
    fonts: dict[str, Any] = {
        str(font.get_object()["/BaseFont"]): font.get_object()
        for page in reader(document).pages
        for font in _fonts(page).values()
    }
    families = {name.partition("+")[2].removesuffix("-Bold") for name in fonts}
    assert {"Document-Sans", "Document-Arabic", "Document-Chinese"} <= families
    for font in fonts.values():
        descriptor = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
        assert "/FontFile2" in descriptor or "/FontFile3" in descriptor


def _fonts(page: Any) -> dict[str, Any]:
    found: dict[str, Any] = page["/Resources"]["/Font"]
    return found


@pytest.mark.parametrize("name", ["Ольга Петрова", "王小明", "Žižek Ελένη"])
def test_a_name_in_any_packaged_script_can_be_copied_from_the_page(
    in_acme: Broker, name: str
) -> None:
    text = " ".join(page.extract_text() for page in reader(statement("en", name)).pages)
    assert name in text


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_the_archive_is_pdf_a_3b_and_carries_the_data_behind_the_digest(
    in_acme: Broker, language: str
) -> None:
    entity(archives=True, issues_invoices=False)
    document = statement(language)
    file = reader(document)
    root: Any = file.trailer["/Root"]
    about = root["/Metadata"].get_object().get_data().decode()
    assert 'pdfaid:part="3"' in about
    assert 'pdfaid:conformance="B"' in about
    (intent,) = root["/OutputIntents"]
    assert intent.get_object()["/S"] == "/GTS_PDFA1"
    files = {entry.idnum: entry.get_object() for entry in root["/AF"]}
    (attached,) = files.values()
    assert attached["/AFRelationship"] == "/Data"
    assert attached["/EF"]["/F"]["/Subtype"] == "/application/json"
    (name, versions), *_others = file.attachments.items()
    assert name == f"{document.reference}.json"
    assert versions[0] == canonical(document.data)
    assert hashlib.sha256(versions[0]).hexdigest() == document.data_sha256


def test_without_the_option_nothing_is_attached(in_acme: Broker) -> None:
    assert not reader(statement("en")).attachments


@pytest.mark.parametrize(("language", "title"), [("ar", "كشف الرسوم"), ("zh-hans", "费用结算单")])
def test_the_mail_is_in_the_readers_language(in_acme: Broker, language: str, title: str) -> None:
    document = statement(language, name="Smith & Sons")
    message = message_for(document.deliveries.get())
    assert title in message.subject
    assert title in message.body
    assert "Smith & Sons" in message.body
    html = str(message.alternatives[0][0])
    assert f'lang="{language}"' in html
    assert "Smith &amp; Sons" in html
    assert ('dir="rtl"' in html) == (language == "ar")


def test_the_summary_tells_finance_what_the_ledger_says(in_acme: Broker) -> None:
    run = statement("en").run
    assert run is not None
    issue_run_documents(run, in_acme)
    message = message_for(run.summaries.get())
    for part in ("Fee run 2026-10", "Fees: 100.00 USD", "Managers' share: 80.00 USD",
                 "Our share: 20.00 USD", "Outstanding: 100.00 USD", "Ledger: agrees"):  # fmt: skip
        assert part in f"{message.subject}\n{message.body}", part
    assert message.attachments == []


def test_a_statement_from_before_the_list_of_charges_still_prints(in_acme: Broker) -> None:
    data = dict(statement("en").data)
    for added in ("charges", "total_minor", "issuer", "archive"):
        del data[added]
    pdf = render_document(data, digest(data), b"")
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    assert "−100.00 USD" in text


def test_fees_of_every_kind_stand_on_the_statement_with_their_formulas(in_acme: Broker) -> None:
    data = dict(statement("en").data)
    data["charges"] = [
        {"kind": "performance", "amount_minor": 10_000, "formula": ""},
        {"kind": "management", "amount_minor": 1_715, "formula": "0.02 × 310,000.00 ÷ 365"},
        {"kind": "volume", "amount_minor": 700, "formula": "7.00 × 1.00"},
        {"kind": "brand_new", "amount_minor": -15, "formula": ""},
    ]
    pdf = render_document(data, digest(data), b"")
    text = " ".join(" ".join(p.extract_text() for p in PdfReader(io.BytesIO(pdf)).pages).split())
    for part in ("Management fee −17.15 USD", "Volume commission −7.00 USD", "Brand new 0.15 USD",
                 "0.02 × 310,000.00 ÷ 365 = 17.15 USD", "10,376.00 USD"):  # fmt: skip
        assert part in text, part


def test_a_fee_that_is_not_rate_times_gain_says_what_else_had_a_part(in_acme: Broker) -> None:
    data = dict(statement("en").data)
    data["steps"] = [{**data["steps"][-1], "fee_minor": 9_000}]
    pdf = render_document(data, digest(data), b"")
    text = " ".join(" ".join(p.extract_text() for p in PdfReader(io.BytesIO(pdf)).pages).split())
    assert "10,500.00 USD − 10,000.00 = 500.00 → 90.00 USD by the plan's hurdle" in text
    assert "20% × max(0, 10,500.00" not in text
