"""Detach: stated exactly, asked once, every outcome told; over the engine's real transport."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client

from apps.accounts.models import AuditEntry, Link
from apps.allocation.models import Ticket
from apps.core.book.commands import UnlinkAccount
from apps.engine import client as engine_client
from tests.billing.engine_stub import Answer, done, engine, refused
from tests.billing.history import History, utc
from tests.factories import person
from tests.portals_investor.conftest import ticket
from tests.portals_investor.test_pages import text_of


def url_of(history: History) -> str:
    return f"/portal/links/{history.link.public_id}/detach/"


def form_of(html: bytes) -> dict[str, str]:
    return dict(
        re.findall(r'type="hidden" name="(request_id|shown|again)" value="([^"]*)"', html.decode())
    )


def confirm(page: Client, history: History) -> dict[str, str]:
    """The form as the confirmation page sends it."""
    return form_of(page.get(url_of(history)).content)


def closing(command: UnlinkAccount) -> Answer:
    return done(
        account_id=command.account_id,
        status="detaching",
        closes=[{"ticket_ids": [1, 2], "steps": 43}],
    )


def test_the_confirmation_states_tickets_lots_and_floating(page: Client, history: History) -> None:
    ticket(history, 905, "EURUSD", steps=8)
    history.mark("2026-10-31 12:00", floating=-1_671)
    said = text_of(page.get(url_of(history)).content)
    assert "2 tickets are closed at the market" in said
    assert "EURUSD ▲ Buy 0.43 lots" in said
    assert "Floating P&L now ▼ −16.71 USD" in said
    assert "Close 2 tickets and detach" in said


def test_reading_the_confirmation_does_nothing(page: Client, history: History) -> None:
    with engine("acme", history.master.public_id, closing) as asked:
        page.get(url_of(history))
    assert asked == []
    assert Link.objects.get(pk=history.link.pk).status == "active"


def test_a_confirmed_detach_asks_once_and_says_what_closes(page: Client, history: History) -> None:
    form = confirm(page, history)
    with engine("acme", history.master.public_id, closing) as asked:
        first = page.post(url_of(history), form)
        page.post(url_of(history), form)  # a double click
    assert "2 tickets are being closed at the market now" in text_of(first.content)
    assert {type(command) for command in asked} == {UnlinkAccount}
    assert len({command.command_id for command in asked}) == 1
    assert asked[0].account_id == history.account_id
    assert Link.objects.get(pk=history.link.pk).status == "close_only"
    assert AuditEntry.objects.filter(action="link.detach", actor=history.investor).exists()


def test_what_changed_since_it_was_shown_is_shown_again(page: Client, history: History) -> None:
    form = confirm(page, history)
    Ticket.objects.filter(account_id=history.account_id, open_steps=35).update(open_steps=34)
    with engine("acme", history.master.public_id, closing) as asked:
        answer = page.post(url_of(history), form)
    assert (answer.status_code, asked) == (409, [])
    assert "What is open has changed" in text_of(answer.content)
    assert "0.34 lots" in text_of(answer.content)


def test_an_unknown_outcome_is_told_and_asked_again_with_the_same_id(
    page: Client, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client.execute, "__kwdefaults__", {"timeout_s": 0.3})
    answers: list[Answer] = [None, done(status="detached", closes=[])]
    with engine("acme", history.master.public_id, lambda _: answers.pop(0)) as asked:
        first = page.post(url_of(history), confirm(page, history))
        assert first.status_code == 504
        assert "The outcome is not known yet" in text_of(first.content)
        second = page.post(url_of(history), form_of(first.content))
    assert "The account is detached" in text_of(second.content)
    assert len({command.command_id for command in asked}) == 1


def test_without_an_engine_nothing_is_sent_and_that_is_said(page: Client, history: History) -> None:
    answer = page.post(url_of(history), confirm(page, history))
    assert answer.status_code == 503
    assert "Nothing was sent" in text_of(answer.content)
    assert Link.objects.get(pk=history.link.pk).status == "active"


def test_a_refusal_is_told_with_its_code(page: Client, history: History) -> None:
    no = refused("ConflictError", "already_detaching", "This account is being detached already.")
    with engine("acme", history.master.public_id, lambda _: no):
        answer = page.post(url_of(history), confirm(page, history))
    assert answer.status_code == 409
    assert "already_detaching" in text_of(answer.content)


def test_a_made_up_request_id_is_refused_and_cannot_meet_anothers_command(
    page: Client, history: History
) -> None:
    form = confirm(page, history)
    chosen = uuid.uuid4()
    with engine("acme", history.master.public_id, closing) as asked:
        assert page.post(url_of(history), form | {"request_id": "x"}).status_code == 400
        page.post(url_of(history), form | {"request_id": str(chosen)})
    assert [command.command_id == chosen for command in asked] == [False]


def test_another_investor_cannot_detach(history: History, page: Client, log_in: object) -> None:
    other = log_in("acme", person("investor"))  # type: ignore[operator]
    with engine("acme", history.master.public_id, closing) as asked:
        assert other.post(url_of(history), confirm(page, history)).status_code == 404
    assert asked == []


@pytest.mark.parametrize(
    ("mode", "status", "said"),
    [
        ("keep_tickets", "detached", "1 ticket stays open in your own care"),
        ("when_flat", "leaving", "The account is detached when it is flat"),
    ],
)
def test_the_investor_chooses_how_to_leave(
    page: Client, history: History, mode: str, status: str, said: str
) -> None:
    form = confirm(page, history) | {"mode": mode}
    with engine(
        "acme", history.master.public_id, lambda _: done(status=status, tickets=1)
    ) as asked:
        answer = page.post(url_of(history), form)
    assert said in text_of(answer.content)
    assert [command.mode for command in asked] == [mode]
    assert page.post(url_of(history), form | {"mode": "somehow"}).status_code == 400


def test_single_tickets_are_taken_out_closed_or_kept(page: Client, history: History) -> None:
    mine = Ticket.objects.get(account_id=history.account_id, open_steps=35)
    path = f"/portal/links/{history.link.public_id}/tickets/"
    assert f'action="{path}"' in page.get(url_of(history)).content.decode()
    form = {"request_id": str(uuid.uuid4()), "mode": "keep_tickets", "tickets": [str(mine.id)]}
    released = done(status="released", tickets=1)
    wrongs: list[dict[str, object]] = [
        {"tickets": []}, {"mode": "x"}, {"request_id": "x"}, {"tickets": ["1e3"]}
    ]  # fmt: skip
    with engine("acme", history.master.public_id, lambda _: released) as asked:
        answer = page.post(path, form)
        page.post(path, form)  # a double click
        for wrong in wrongs:
            assert page.post(path, form | wrong).status_code == 400
    assert "1 ticket stays open on your account" in text_of(answer.content)
    assert len({command.command_id for command in asked}) == 1
    assert (asked[0].ticket_ids, asked[0].mode) == ([mine.id], "keep_tickets")
    assert Link.objects.get(pk=history.link.pk).status == "active", "it goes on following"
    assert AuditEntry.objects.filter(action="link.take_out_asked").exists()


def test_a_ticket_in_ones_own_care_is_shown_as_own_and_does_not_close_with_detaching(
    page: Client, history: History
) -> None:
    Ticket.objects.filter(account_id=history.account_id, open_steps=35).update(
        released_at=utc("2026-10-20 12:00")
    )
    assert "Nothing is open" in text_of(page.get(url_of(history)).content)
    shown = page.get(f"/portal/tickets?account={history.link.account.public_id}")
    assert "own" in text_of(shown.content)
