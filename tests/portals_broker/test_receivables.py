"""Receivables, reversals and payouts as finance sees them; the manager's earnings; fees by API."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.api_keys import create_key
from apps.accounts.models import User
from apps.billing.models import FeeCharge, FeeRun, LedgerAccount
from apps.billing.selectors.checking import findings
from apps.billing.selectors.earnings import earned_by
from apps.billing.selectors.ledger import balance_of
from apps.billing.services.payouts import convert_owed, record_payout
from apps.core.errors import ConflictError, ForbiddenError, RejectedError
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.billing.test_fee_runs import settle
from tests.factories import person

At = Callable[[str], Client]


@pytest.fixture
def owing(in_acme: Broker) -> History:
    """A fee of 100.00 of October 2026, of which the manager gets 80.00; nothing was collected."""
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    settle("2026-10")
    return history


def signed_in(who: User, client_at: At) -> Client:
    made = client_at("acme")
    made.force_login(who)
    return made


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_what_is_owed_is_listed_with_its_total_and_as_csv(owing: History, client_at: At) -> None:
    office = signed_in(person("finance"), client_at)
    shown = text_of(office.get("/office/receivables/"))
    assert str(owing.link.account.login) in shown
    assert "Total USD, 1 accounts 100.00 USD" in shown
    rows = office.get("/office/receivables/list.csv").content.decode("utf-8-sig").splitlines()
    assert rows[0].startswith("account,investor,master,status,since_utc,currency,owed")
    assert "USD,100.00" in rows[1]


@pytest.mark.parametrize("role", ["manager", "investor"])
def test_only_finance_and_admins_see_debts_and_reverse(
    owing: History, client_at: At, role: str
) -> None:
    other = signed_in(person(role), client_at)
    run = FeeRun.objects.get()
    assert other.get("/office/receivables/").status_code == 403
    path = reverse("broker:fee_reverse", args=[run.public_id, owing.link.public_id])
    assert other.post(path, {"reason": "x"}).status_code == 403
    assert FeeCharge.objects.get().state == "due"


def test_a_settlement_is_reversed_from_its_run(owing: History, client_at: At) -> None:
    office = signed_in(person("finance"), client_at)
    run = FeeRun.objects.get()
    path = reverse("broker:fee_reverse", args=[run.public_id, owing.link.public_id])
    page = reverse("broker:fee_run", args=[run.public_id])
    assert path in office.get(page).content.decode()
    assert "[reason_missing]" in text_of(office.post(path, {"reason": ""}, follow=True))
    assert "Reversed; 1 credit note is issued." in text_of(
        office.post(path, {"reason": "waived"}, follow=True)
    )
    assert "[reversed_already]" in text_of(office.post(path, {"reason": "again"}, follow=True))
    assert "Nobody owes anything" in text_of(office.get("/office/receivables/"))
    assert findings() == []


def test_a_manager_sees_own_earnings_and_the_forecast(owing: History, client_at: At) -> None:
    owing.realise("2026-11-10 12:00", 30_000)
    other = History(1_000_000)
    plan(other.master)
    mine = signed_in(owing.master.manager, client_at)
    shown = text_of(mine.get(reverse("manager:earnings")))
    assert "USD 80.00 USD 0.00 USD 0.00 USD 0.00 USD 80.00 USD" in shown
    assert "60.00 USD 48.00 USD" in shown  # 20 % of 300, and 80 % of that
    theirs = text_of(signed_in(other.master.manager, client_at).get(reverse("manager:earnings")))
    assert "Nothing earned yet" in theirs
    assert (
        signed_in(person("investor"), client_at).get(reverse("manager:earnings")).status_code == 403
    )


def test_a_payout_is_recorded_once_and_never_more_than_owed(owing: History) -> None:
    clerk, manager, command = person("finance"), owing.master.manager, uuid.uuid4()
    with pytest.raises(RejectedError) as caught:
        record_payout(clerk, manager, "manager", "USD", 8_001, command_id=command)
    assert caught.value.code == "more_than_owed"
    with pytest.raises(ForbiddenError):
        record_payout(manager, manager, "manager", "USD", 1, command_id=command)
    record_payout(clerk, manager, "manager", "USD", 3_000, command_id=command)
    with pytest.raises(ConflictError):
        record_payout(clerk, manager, "manager", "USD", 3_000, command_id=command)
    (earned,) = earned_by(manager)
    assert (earned.charged_minor, earned.paid_minor, earned.owed_minor) == (8_000, 3_000, 5_000)
    assert findings() == []


def test_what_is_owed_is_converted_at_a_rate_that_stays_with_the_entry(owing: History) -> None:
    clerk, manager, command = person("finance"), owing.master.manager, uuid.uuid4()
    sold = ("USD", 8_000)
    got = convert_owed(
        clerk, manager, "manager", sold, "JPY", Decimal("150.55"), command_id=command
    )
    assert got == 12_044
    account = LedgerAccount.objects.get(code=f"payable:manager:{manager.pk}", currency="JPY")
    assert balance_of(account).balance_minor == -12_044
    line = account.lines.get()
    assert line.entry.rate == Decimal("150.55")
    assert findings() == []


def test_fees_and_accruals_are_read_by_key_and_others_are_not(
    owing: History, client_at: At
) -> None:
    owing.realise("2026-11-10 12:00", 30_000)
    stranger = History(1_000_000)
    plan(stranger.master)
    _, secret = create_key(person("admin"), owing.master.manager, "mine", ["read"])
    headers = {"Authorization": f"Bearer {secret}"}
    answer = client_at("acme").get("/api/v1/fees", headers=headers).json()
    (fee,) = answer["results"]
    assert (fee["kind"], fee["amount"], fee["state"], fee["period"]) == (
        "performance", "100.00", "due", "2026-10",
    )  # fmt: skip
    (accrual,) = client_at("acme").get("/api/v1/fees/accruals", headers=headers).json()
    assert (accrual["fees"], accrual["high_water_mark"]) == ("60.00", "10400")
    assert accrual["login"] == owing.link.account.login
