"""Statements by e-mail: a real SMTP conversation with a server on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.test import override_settings
from django.utils import timezone

from apps.billing.models import Delivery, Document
from apps.billing.services.documents import pdf_of
from apps.billing.services.mail import MAX_ATTEMPTS, deliver_due, requeue
from apps.core.errors import StateError
from tenants.models import Brand, Broker
from tests.billing.history import History, plan
from tests.billing.test_fee_runs import settle
from tests.factories import person


class Inbox:
    """An SMTP server's handler: answers as told, keeps what it took."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.envelopes: list[Any] = []
        self.answers: list[str] = []  # for the next RCPTs; afterwards all are welcome

    async def handle_RCPT(
        self, server: object, session: object, envelope: Any, address: str, options: object
    ) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.envelopes.append(envelope)
        return "250 OK"


class AnyPort(Controller):
    """The library looks for the port that was asked for, not the one that was given."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    handler = Inbox()
    controller = AnyPort(handler, hostname="127.0.0.1", port=0)
    controller.start()
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1", EMAIL_PORT=controller.port,
    ):  # fmt: skip
        yield handler
    controller.stop()


@pytest.fixture
def queued(in_acme: Broker) -> Callable[[], Delivery]:
    """A statement is issued and waits to be sent; the function reads its delivery."""
    Brand.objects.filter(broker=in_acme).update(
        display_name="Acme Markets", sender_email="no-reply@acme.example",
        support_email="support@acme.example",
    )  # fmt: skip
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    settle("2026-10")
    Delivery.objects.update(next_at=timezone.now())
    return Delivery.objects.get


def later(minutes: int) -> Any:
    return timezone.now() + timedelta(minutes=minutes)


def test_the_message_is_branded_with_text_html_and_the_pdf(
    inbox: Inbox, queued: Callable[[], Delivery]
) -> None:
    assert deliver_due().sent == 1
    message, document = inbox.messages[0], Document.objects.get()
    assert message["From"] == "Acme Markets <no-reply@acme.example>"
    assert message["Reply-To"] == "support@acme.example"
    assert message["To"] == document.owner.email
    assert document.reference in message["Subject"]
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "100.00 USD" in plain.get_content()
    assert "100.00 USD" in html.get_content()
    attached = next(message.iter_attachments())
    assert attached.get_filename() == f"{document.reference}.pdf"
    assert attached.get_payload(decode=True) == pdf_of(document)
    delivery = queued()
    assert (delivery.state, delivery.attempts, delivery.reason) == ("sent", 1, "")
    assert delivery.sent_at is not None


def test_a_sent_message_is_not_sent_again(inbox: Inbox, queued: Callable[[], Delivery]) -> None:
    deliver_due()
    deliver_due(later(600))
    assert len(inbox.messages) == 1


def test_a_temporary_failure_is_told_and_tried_again_later(
    inbox: Inbox, queued: Callable[[], Delivery]
) -> None:
    inbox.answers = ["451 try again later"]
    assert deliver_due().retried == 1
    delivery = queued()
    assert (delivery.state, delivery.attempts) == ("queued", 1)
    assert delivery.reason == "451 try again later"
    assert deliver_due().sent == 0  # not before its time
    assert deliver_due(later(2)).sent == 1
    assert (queued().state, queued().attempts, queued().reason) == ("sent", 2, "")


def test_a_refused_address_is_failed_at_once_with_the_reason(
    inbox: Inbox, queued: Callable[[], Delivery]
) -> None:
    inbox.answers = ["550 no such user"]
    assert deliver_due().failed == 1
    assert (queued().state, queued().reason) == ("failed", "550 no such user")
    assert deliver_due(later(600)).sent == 0


def test_a_failed_message_can_be_sent_again_by_a_person(
    inbox: Inbox, queued: Callable[[], Delivery]
) -> None:
    inbox.answers = ["550 no such user"]
    deliver_due()
    requeue(person("finance"), queued())
    assert deliver_due(later(1)).sent == 1
    with pytest.raises(StateError):
        requeue(person("finance"), queued())


def test_an_absent_server_is_tried_with_back_off_then_given_up(
    queued: Callable[[], Delivery],
) -> None:
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1", EMAIL_PORT=1,
    ):  # fmt: skip
        waits, now = [], timezone.now()
        for _ in range(MAX_ATTEMPTS):
            deliver_due(now)
            waits.append((queued().next_at - now).total_seconds())
            now = queued().next_at
    assert waits[:-1] == [60, 120, 240, 480, 960]
    assert (queued().state, queued().attempts) == ("failed", MAX_ATTEMPTS)
    assert "refused" in queued().reason.lower()


def test_a_claim_gone_silent_is_taken_again_with_the_same_message_id(
    inbox: Inbox, queued: Callable[[], Delivery]
) -> None:
    Delivery.objects.update(state="sending", claimed_at=timezone.now(), attempts=1)
    assert deliver_due().sent == 0
    assert deliver_due(later(16)).sent == 1
    assert str(Document.objects.get().public_id) in inbox.messages[0]["Message-ID"]
