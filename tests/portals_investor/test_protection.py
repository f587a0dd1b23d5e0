"""The investor's own limits: shown with everybody's, set, paused, lifted, refused in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuditEntry
from apps.allocation.models import ProtectionLimits, ProtectionStop
from apps.core.book.commands import LiftStop, SetLinkStatus, SetProtection
from apps.core.book.risk.settings import Protection
from tests.billing.engine_stub import Answer, done, engine, refused
from tests.billing.history import History
from tests.factories import person
from tests.portals_investor.conftest import LogIn
from tests.portals_investor.test_pages import text_of


def url_of(history: History) -> str:
    return f"/portal/links/{history.link.public_id}/protection/"


def agree(command: Any) -> Answer:
    return done(status="set")


def limits(history: History, party: str, scope: str = "account", **values: Any) -> None:
    ProtectionLimits.objects.create(
        book_id=history.master.public_id,
        scope=scope,
        account_id=history.account_id if scope == "account" else 0,
        party=party,
        limits=values,
        set_at=timezone.now(),
        seq=1,
    )


def stop(history: History, party: str) -> ProtectionStop:
    return ProtectionStop.objects.create(
        id=history.link.public_id,
        book_id=history.master.public_id,
        account_id=history.account_id,
        reason="equity_stop",
        party=party,
        phase="blocked",
        equity_minor=899_000,
        level_minor=900_000,
        reference_minor=900_000,
        currency="USD",
        triggered_at=timezone.now(),
        seq=2,
    )


def test_the_form_shows_the_own_limits_and_those_of_others(page: Client, history: History) -> None:
    limits(history, "investor", stop_equity_minor=900_000, trailing_percent="12.5")
    limits(history, "broker", daily_loss_percent="5")
    html = page.get(url_of(history)).content
    assert b'value="9000.00"' in html
    assert b'value="12.5"' in html
    assert "broker daily_loss_percent: 5" in text_of(html)


def test_limits_are_sent_as_the_investors_and_keep_what_the_form_does_not_show(
    page: Client, history: History
) -> None:
    limits(history, "investor", trailing_percent="12.5", max_leverage="10")
    with engine("acme", history.master.public_id, agree) as asked:
        answer = page.post(
            url_of(history), {"action": "limits", "stop_equity": "9500.50", "trailing_percent": "8"}
        )
    assert answer.status_code == 302
    (command,) = asked
    assert isinstance(command, SetProtection)
    assert (command.scope, command.party, command.account_id) == (
        "account",
        "investor",
        history.account_id,
    )
    assert command.protection == Protection(
        stop_equity_minor=950_050, trailing_percent=Decimal(8), max_leverage=Decimal(10)
    )
    trail = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert trail[-2:] == ["link.protect_asked", "link.protect"]


def test_a_limit_out_of_range_is_told_at_its_field_and_not_sent(
    page: Client, history: History
) -> None:
    with engine("acme", history.master.public_id, agree) as asked:
        answer = page.post(url_of(history), {"action": "limits", "trailing_percent": "100"})
    assert answer.status_code == 400
    assert asked == []
    assert "less than or equal to 99.99" in text_of(answer.content)


def test_pause_and_resume_are_the_investors(page: Client, history: History) -> None:
    with engine("acme", history.master.public_id, agree) as asked:
        page.post(url_of(history), {"action": "pause"})
        page.post(url_of(history), {"action": "resume"})
    assert [(type(c), c.status, c.party) for c in asked] == [
        (SetLinkStatus, "paused", "investor"),
        (SetLinkStatus, "active", "investor"),
    ]


def test_only_a_stop_of_the_own_limit_can_be_lifted_here(page: Client, history: History) -> None:
    own = stop(history, "investor")
    assert "Trade again" in text_of(page.get(url_of(history)).content)
    with engine("acme", history.master.public_id, agree) as asked:
        page.post(url_of(history), {"action": "lift"})
    assert [(type(c), c.party) for c in asked] == [(LiftStop, "investor")]
    ProtectionStop.objects.filter(pk=own.pk).update(party="broker")
    said = text_of(page.get(url_of(history)).content)
    assert "This account is stopped" in said
    assert "Trade again" not in said


def test_what_the_book_refuses_is_said_with_its_code(page: Client, history: History) -> None:
    def no(command: Any) -> Answer:
        return refused("ConflictError", "restricted_by_other", "The manager has restricted it.")

    with engine("acme", history.master.public_id, no):
        answer = page.post(url_of(history), {"action": "resume"})
    assert answer.status_code == 409
    assert "restricted_by_other" in text_of(answer.content)


def test_another_investors_account_is_absent(log_in: LogIn, history: History) -> None:
    other = log_in("acme", person("investor"))
    assert other.get(url_of(history)).status_code == 404
    assert other.post(url_of(history), {"action": "pause"}).status_code == 404
