"""Each page: what it shows to its owner, and that nobody else's is there."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.timezone import now as utc_now

from apps.accounts.models import Role
from apps.allocation.models import AccountState, EquityPoint, Ticket
from apps.billing.models import Document
from apps.portals.csv_cells import safe_cell
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.history import History, utc
from tests.billing.test_fee_runs import settle
from tests.factories import person
from tests.portals_investor.conftest import LogIn, ticket

PAGES = ["/portal/", "/portal/history/", "/portal/history.csv", "/portal/fees/"]


def text_of(html: bytes) -> str:
    """Words as read: tags gone, white space single."""
    return " ".join(re.sub(r"<[^>]+>", " ", html.decode()).split())


@pytest.mark.parametrize("url", PAGES)
@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.INVESTOR, 200), (Role.MANAGER, 403), (Role.FINANCE, 403), (Role.ADMIN, 403)],
)
def test_pages_are_for_investors(
    in_acme: Broker, log_in: LogIn, url: str, role: str, status: int
) -> None:
    assert log_in("acme", person(role)).get(url).status_code == status


@pytest.mark.parametrize("url", PAGES)
def test_nobody_logged_in_is_sent_to_the_log_in(
    in_acme: Broker, client_at: object, url: str
) -> None:
    answer = client_at("acme").get(url)  # type: ignore[operator]
    assert (answer.status_code, "login" in answer["Location"]) == (302, True)


def own_urls(history: History) -> list[str]:
    return [
        f"/portal/?account={history.link.account.public_id}",
        f"/portal/tickets?account={history.link.account.public_id}",
        f"/portal/accounts/{history.link.account.public_id}/curve",
        f"/portal/links/{history.link.public_id}/detach/",
        *(f"/portal/documents/{one.public_id}.pdf" for one in Document.objects.all()),
    ]


def test_another_investors_ids_do_not_exist(history: History, log_in: LogIn) -> None:
    settle("2026-10")
    urls = own_urls(history)
    assert len(urls) == 5
    owner, other = log_in("acme", history.investor), log_in("acme", person("investor"))
    for url in urls:
        assert owner.get(url).status_code == 200, url
        assert other.get(url).status_code == 404, url


def test_another_brokers_ids_do_not_exist(history: History, globex: Broker, log_in: LogIn) -> None:
    settle("2026-10")
    urls = own_urls(history)
    with broker_schema("globex"):
        other = log_in("globex", person("investor"))
    for url in urls:
        assert other.get(url).status_code == 404, url


def test_no_page_carries_inline_script_or_style(page: Client, history: History) -> None:
    for url in ("/portal/", "/portal/history/", "/portal/fees/", own_urls(history)[3]):
        html = page.get(url).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html), url


def test_the_overview_shows_figures_age_and_open_tickets(page: Client, history: History) -> None:
    answer = page.get("/portal/")
    said = text_of(answer.content)
    assert "10,500.00 USD" in said
    assert "0.35 lots" in said
    assert "Fee if charged today 100.00 USD" in said
    assert "Stale" in said  # marked weeks ago, and says so
    assert 'data-ws="/ws/portfolio"' in answer.content.decode()


def test_an_investor_without_an_account_sees_why_it_is_empty(
    in_acme: Broker, log_in: LogIn
) -> None:
    assert "No trading account yet" in text_of(
        log_in("acme", person("investor")).get("/portal/").content
    )


def test_the_curve_is_persisted_thinned_and_marks_flows(page: Client, history: History) -> None:
    history.flow("2026-10-12 12:00", -20_000)
    EquityPoint.objects.bulk_create(
        EquityPoint(
            account_id=history.account_id,
            at=utc(f"2026-10-{13 + n // 1440:02d} {n // 60 % 24:02d}:{n % 60:02d}"),
            balance_minor=1,
            equity_minor=n,
        )
        for n in range(4000)
    )
    url = f"/portal/accounts/{history.link.account.public_id}/curve"
    curve = json.loads(page.get(url, {"range": "all"}).content)
    assert 2 < len(curve["at_s"]) <= 610
    assert curve["at_s"] == sorted(curve["at_s"])
    assert curve["equity"][-1] == 3999
    assert [(flow["kind"], flow["amount"]) for flow in curve["flows"]] == [("withdrawal", -20_000)]
    assert json.loads(page.get(url, {"range": "1D"}).content)["at_s"] == []
    recent = utc_now() - timedelta(minutes=3)
    EquityPoint.objects.bulk_create(
        EquityPoint(account_id=history.account_id, at=recent + timedelta(seconds=20 * n),
                    balance_minor=1, equity_minor=n) for n in range(4)
    )  # fmt: skip
    young = json.loads(page.get(url, {"range": "7D"}).content)
    assert young["equity"] == [0, 1, 2, 3]  # not thinned to one point of a week
    wrong = page.get(url, {"range": "2Y"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "range_unknown")


def test_the_curve_of_a_flat_account_ends_at_its_balance(page: Client, history: History) -> None:
    EquityPoint.objects.create(
        account_id=history.account_id, at=utc_now() - timedelta(minutes=3),
        balance_minor=1, equity_minor=7,
    )  # fmt: skip
    url = f"/portal/accounts/{history.link.account.public_id}/curve"
    assert json.loads(page.get(url, {"range": "1D"}).content)["equity"] == [7]
    Ticket.objects.update(open_steps=0)
    balance = AccountState.objects.get(account_id=history.account_id).balance_minor
    flat = json.loads(page.get(url, {"range": "1D"}).content)
    assert flat["equity"] == [7, balance]
    assert flat["balance"] == [1, balance]


def test_history_is_filtered_paged_and_totalled(page: Client, history: History) -> None:
    for number in range(60):
        ticket(history, 1000 + number, "EURUSD", closed="2026-10-11 12:00", realised=-100)
    everything = text_of(page.get("/portal/history/").content)
    assert "+440.00 USD" in everything
    assert "1–50 of 61" in everything
    assert "51–61 of 61" in text_of(page.get("/portal/history/", {"page": "2"}).content)
    assert "+500.00 USD" in text_of(page.get("/portal/history/", {"symbol": "GBPUSD"}).content)
    late = page.get("/portal/history/", {"since": "2026-10-11", "until": "2026-10-11"})
    assert "−60.00 USD" in text_of(late.content)
    none = page.get("/portal/history/", {"since": "2027-01-01"})
    assert "No ticket matches" in text_of(none.content)


@pytest.mark.parametrize(
    "query",
    [{"since": "yesterday"}, {"since": "2026-10-12", "until": "2026-10-11"}, {"symbol": "XXX"},
     {"account": str(uuid.UUID(int=1))}],
)  # fmt: skip
def test_a_wrong_filter_is_said_and_shows_nothing(page: Client, query: dict[str, str]) -> None:
    for url in ("/portal/history/", "/portal/history.csv"):
        answer = page.get(url, query)
        assert answer.status_code == 400
        assert "tickets.csv" not in answer.get("Content-Disposition", "")
        assert "GBPUSD" not in re.findall(r"<th scope=.row.>(\w+)", answer.content.decode())


def test_the_csv_says_what_the_page_says_and_starts_no_formula(
    page: Client, history: History
) -> None:
    ticket(history, 903, "=HYPERLINK(1)", closed="2026-10-12 12:00", realised=-1234)
    body = page.get("/portal/history.csv").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(body)))
    assert [row["symbol"] for row in rows] == ["'=HYPERLINK(1)", "GBPUSD"]
    assert [row["profit"] for row in rows] == ["-12.34", "500.00"]
    assert rows[1] | {"ticket": ""} == {
        "ticket": "", "account": str(history.link.account.login), "symbol": "GBPUSD",
        "side": "buy", "lots": "0.2", "opened_utc": "2026-10-09 12:00:00",
        "open_price": "1.08542", "closed_utc": "2026-10-10 12:00:00", "close_price": "1.09000",
        "profit": "500.00", "currency": "USD",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("@x", "'@x"), ("-2+3", "'-2+3"), (" =1", "' =1"),
        ("\t=1", "'\t=1"), ("-12.30", "-12.30"), ("EURUSD", "EURUSD"), ("", ""),
    ],
)  # fmt: skip
def test_cells(text: str, safe: str) -> None:
    assert safe_cell(text) == safe


def test_fees_show_the_accrual_the_charge_and_the_statement(page: Client, history: History) -> None:
    running = text_of(page.get("/portal/fees/").content)
    assert "10,500.00 USD 10,000.00 USD 20.00% 100.00 USD" in running
    assert "No statements yet" in running
    settle("2026-10")
    document = Document.objects.get()
    charged = text_of(page.get("/portal/fees/").content)
    assert document.reference in charged
    assert "on its way" in charged
    pdf = page.get(f"/portal/documents/{document.public_id}.pdf")
    assert pdf["Content-Type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF")
    assert document.reference in pdf["Content-Disposition"]


def test_an_account_that_left_shows_its_balance_and_promises_nothing_live(
    page: Client, history: History
) -> None:
    history.mark("2026-10-31 12:00", floating=-1_671)
    Ticket.objects.filter(account_id=history.account_id).update(open_steps=0)
    history.link.status = "detached"
    history.link.save()
    answer = page.get("/portal/")
    assert "−16.71" not in text_of(answer.content)
    assert "This account follows nobody" in text_of(answer.content)
    assert "/ws/portfolio" not in answer.content.decode()
