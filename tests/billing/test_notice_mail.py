"""Risk notices by e-mail: one message for what waits, retried, never twice."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from apps.accounts.models import Notice, User
from apps.accounts.notices import MAX_ATTEMPTS, deliver_due
from tenants.models import Broker
from tests.billing.test_mail import Inbox, inbox
from tests.factories import person

__all__ = ["inbox"]


def notice(user: User, kind: str = "stop_triggered", **over: object) -> Notice:
    now = timezone.now()
    fields: dict[str, object] = {
        "event_id": uuid.uuid4(),
        "book_id": uuid.uuid4(),
        "account_id": 7,
        "data": {"master": "Alpha", "login": 1001, "reason": "daily_loss", "set_by": "broker"},
        "at": now,
        "next_at": now,
        **over,
    }
    return Notice.objects.create(user=user, kind=kind, **fields)


def test_all_that_waits_for_a_person_is_one_message(inbox: Inbox, in_acme: Broker) -> None:
    reader, other = person("investor"), person("manager")
    notice(reader)
    notice(reader, "stop_blocked")
    notice(other)
    assert deliver_due().messages == 2
    assert deliver_due().messages == 0
    mine = next(m for m in inbox.messages if m["To"] == reader.email)
    body = mine.get_body(("plain",))
    assert body is not None
    said = body.get_content()
    assert "Equity protection has stopped trading" in said
    assert "Everything is closed; trading is blocked" in said
    assert "daily_loss" in said
    assert set(Notice.objects.values_list("mail", flat=True)) == {"sent"}


def test_a_server_that_is_busy_is_asked_again_and_a_refusal_is_final(
    inbox: Inbox, in_acme: Broker
) -> None:
    busy = notice(person("investor"))
    inbox.answers = ["451 later"]
    assert deliver_due().retried == 1
    busy.refresh_from_db()
    assert (busy.mail, busy.attempts) == ("queued", 1)
    assert deliver_due().messages == 0
    assert deliver_due(timezone.now() + timedelta(minutes=2)).messages == 1
    refused = notice(person("investor"))
    inbox.answers = ["550 nobody here"]
    assert deliver_due().failed == 1
    refused.refresh_from_db()
    assert refused.mail == "failed"
    assert "550" in refused.reason


def test_a_claim_of_a_process_that_died_is_taken_again(inbox: Inbox, in_acme: Broker) -> None:
    dead = notice(person("investor"), mail="sending", attempts=1)
    Notice.objects.filter(pk=dead.pk).update(next_at=timezone.now() + timedelta(minutes=10))
    assert deliver_due().messages == 0
    assert deliver_due(timezone.now() + timedelta(minutes=20)).messages == 1


def test_after_the_last_attempt_it_is_failed(inbox: Inbox, in_acme: Broker) -> None:
    row = notice(person("investor"), attempts=MAX_ATTEMPTS - 1)
    inbox.answers = ["451 later"]
    deliver_due()
    row.refresh_from_db()
    assert row.mail == "failed"


def test_the_page_shows_the_own_notices_once_as_new(in_acme: Broker, client_at: object) -> None:
    reader = person("investor")
    notice(reader)
    notice(person("investor"), "stop_lifted")
    client: Client = client_at("acme")  # type: ignore[operator]
    client.force_login(reader)
    first, again = (client.get("/notices/").content.decode() for _ in range(2))
    assert "Equity protection has stopped trading" in first
    assert "Trading is allowed again" not in first
    assert first.count(">new<") == 1
    assert ">new<" not in again
