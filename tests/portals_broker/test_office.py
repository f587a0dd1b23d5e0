"""The office: who may open what, and that every change is audited with it."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.test import Client, override_settings
from django.urls import reverse

from apps.accounts.api_keys import key_of
from apps.accounts.models import ApiKey, AuditEntry, Master, User
from apps.core.book.commands import LinkAccount
from apps.leaderboards.board import widget_settings
from tenants.door import broker_schema
from tenants.models import Broker
from tests.api.fake_engine import FakeEngine
from tests.factories import account, link, master, person

At = Callable[[str], Client]
PAGES = {
    "/office/": {"admin", "finance"},
    "/office/masters/": {"admin", "finance"},
    "/office/masters/new/": {"admin"},
    "/office/fees/": {"admin", "finance"},
    "/office/documents/": {"admin", "finance"},
    "/office/ledger/": {"admin", "finance"},
    "/office/people/": {"admin"},
    "/office/keys/": {"admin"},
    "/office/servers/": {"admin"},
    "/office/widget/": {"admin"},
    "/office/audit/": {"admin"},
}


@pytest.fixture
def admin(in_acme: Broker) -> User:
    return person("admin", email="boss@acme.example")


@pytest.fixture
def office(admin: User, client_at: At) -> Client:
    client = client_at("acme")
    client.force_login(admin)
    return client


class Mailbox:
    def __init__(self) -> None:
        self.messages: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.messages.append(envelope.content.decode())
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A real SMTP server on a free port."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
    ):
        yield box
    controller.stop()


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("role", ["admin", "finance", "manager", "investor"])
def test_each_page_opens_for_its_roles_alone(
    in_acme: Broker, client_at: At, path: str, role: str
) -> None:
    client = client_at("acme")
    client.force_login(person(role))
    assert client.get(path).status_code == (200 if role in PAGES[path] else 403)


def test_nobody_without_a_log_in_and_nobody_of_another_broker(
    in_acme: Broker, globex: Broker, client_at: At, admin: User
) -> None:
    stranger = client_at("globex")
    with broker_schema("acme"):
        insider = client_at("acme")
        insider.force_login(admin)
    stranger.cookies = insider.cookies
    for client in (client_at("acme"), stranger):
        for path in PAGES:
            response = client.get(path)
            assert (response.status_code, response["Location"].split("?")[0]) == (
                302,
                "/accounts/login/",
            )


def test_what_changes_something_is_post_and_admins_only(in_acme: Broker, client_at: At) -> None:
    book = master(person("manager"))
    key = ApiKey.objects.create(name="k", owner=book.manager, prefix="abcdefgh", scopes=["read"])
    paths = [
        reverse("broker:link", args=[book.public_id]),
        reverse("broker:publish", args=[book.public_id]),
        reverse("broker:revoke_key", args=[key.public_id]),
        reverse("broker:activate", args=[book.manager.public_id]),
        reverse("broker:invite_again", args=[book.manager.public_id]),
    ]
    for role in ("finance", "manager", "investor"):
        client = client_at("acme")
        client.force_login(person(role))
        assert [client.post(path).status_code for path in paths] == [403] * len(paths)
    boss = client_at("acme")
    boss.force_login(person("admin"))
    assert [boss.get(path).status_code for path in paths] == [405] * len(paths)
    assert not AuditEntry.objects.exists()


def test_an_invitation_reaches_the_person_who_sets_a_password_with_it(
    office: Client, client_at: At, mailbox: Mailbox, acme: Broker
) -> None:
    response = office.post(
        "/office/people/", {"email": "New@acme.example", "full_name": "N", "roles": ["finance"]}
    )
    assert response.status_code == 302
    invited = User.objects.get(email="new@acme.example")
    assert not invited.has_usable_password()
    (mail,) = mailbox.messages
    assert acme.brand.display_name in mail
    found = re.search(r"http://acme\.localhost(/accounts/password/reset/key/\S+?/)\s", mail)
    assert found
    visitor = client_at("acme")
    form = visitor.get(found[1], follow=True)
    chosen = "a-fine-new-password-9"
    visitor.post(form.redirect_chain[-1][0], {"password1": chosen, "password2": chosen})
    invited.refresh_from_db()
    assert invited.check_password(chosen)
    entry = AuditEntry.objects.get(action="person.invite")
    assert str(entry.actor) == "boss@acme.example"
    assert entry.after == {"email": "new@acme.example", "roles": ["finance"]}
    assert entry.request_id == response["X-Request-Id"]


def test_a_mail_that_cannot_be_sent_is_said_and_can_be_sent_again(
    office: Client, mailbox: Mailbox
) -> None:
    with override_settings(EMAIL_PORT=1):
        page = office.post(
            "/office/people/", {"email": "n@acme.example", "roles": ["manager"]}, follow=True
        )
    assert "could not be sent" in page.content.decode()
    user = User.objects.get(email="n@acme.example")
    office.post(reverse("broker:invite_again", args=[user.public_id]))
    assert len(mailbox.messages) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"email": "BOSS@acme.example", "roles": ["finance"]},
        {"email": "x@acme.example", "roles": ["king"]},
        {"email": "x@acme.example"},
        {"email": "not an address", "roles": ["finance"]},
    ],
)
def test_a_bad_invitation_changes_nothing(office: Client, values: dict[str, Any]) -> None:
    before = User.objects.count()
    assert office.post("/office/people/", values).status_code in (200, 400)
    assert User.objects.count() == before
    assert not AuditEntry.objects.exists()


def test_somebody_kept_out_is_out_at_once_and_the_last_admin_stays(
    office: Client, admin: User, client_at: At
) -> None:
    colleague = person("finance")
    session = client_at("acme")
    session.force_login(colleague)
    assert session.get("/office/").status_code == 200
    path = reverse("broker:activate", args=[colleague.public_id])
    office.post(path, {"active": "0"})
    assert session.get("/office/").status_code == 302
    office.post(path, {"active": "0"})
    assert AuditEntry.objects.filter(action="person.deactivate").count() == 1
    page = office.post(
        reverse("broker:activate", args=[admin.public_id]), {"active": "0"}, follow=True
    )
    assert "own_account" in page.content.decode()
    admin.refresh_from_db()
    assert admin.is_active


def test_a_key_is_shown_once_and_works_until_it_is_revoked(office: Client) -> None:
    manager = person("manager")
    values = {"name": "bot", "owner": manager.pk, "scopes": ["read"], "days": "30"}
    made = office.post("/office/keys/", values)
    found = re.search(r"prk_[a-z0-9]{8}_[\w\-]{43}", made.content.decode())
    assert found
    assert "no-store" in made["Cache-Control"]
    assert found[0] not in office.get("/office/keys/").content.decode()
    key = key_of(found[0])
    assert key is not None
    assert key.owner == manager
    office.post(reverse("broker:revoke_key", args=[key.public_id]))
    assert key_of(found[0]) is None
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["api_key.create", "api_key.revoke"]


def test_an_account_joins_a_master_through_the_engine(office: Client) -> None:
    book = master(person("manager"))
    spare = account(person("investor"), on=book.account.server)
    path = reverse("broker:link", args=[book.public_id])
    values = {"command_id": "0" * 32, "account": spare.pk}
    refused = office.post(path, values)
    assert (refused.status_code, "no_engine" in refused.content.decode()) == (503, True)
    with FakeEngine("acme", book.public_id) as engine:
        assert office.post(path, values).status_code == 302
    (command,) = engine.commands
    assert command.account_id == spare.pk  # type: ignore[union-attr]
    assert book.links.get().status == "invited"  # until the book's journal is projected
    assert (
        str(spare.login)
        in office.get(reverse("broker:master", args=[book.public_id])).content.decode()
    )
    assert AuditEntry.objects.filter(action="link.invite").count() == 1


def test_who_takes_over_open_positions_is_quoted_first_and_joins_as_quoted(office: Client) -> None:
    book = master(person("manager"))
    spare = account(person("investor"), on=book.account.server)
    path = reverse("broker:link", args=[book.public_id])
    values = {"command_id": "0" * 32, "account": spare.pk, "mode": "proportional_at_market"}
    with FakeEngine("acme", book.public_id) as engine:
        shown = office.post(path, values)
        page = shown.content.decode()
        assert shown.status_code == 200
        assert "Nothing was done yet" in page
        assert "Link as quoted" in page
        assert engine.commands == []
        assert not book.links.exists()
        assert 'value="a-token"' in page
        assert office.post(path, values | {"token": "a-token"}).status_code == 302
    (command,) = engine.commands
    assert isinstance(command, LinkAccount)
    assert (command.mode, command.token) == ("proportional_at_market", "a-token")


def test_the_widgets_tag_and_settings(office: Client) -> None:
    page = office.get("/office/widget/").content.decode()
    assert "&lt;script src=&quot;http://acme.localhost/widgets/leaderboard.js&quot;" in page
    values = {"enabled": "on", "row_limit": "5", "allowed_origins": "https://a.example; *"}
    assert office.post("/office/widget/", values).status_code == 400
    assert widget_settings().allowed_origins == ""
    values["allowed_origins"] = "https://a.example"
    assert office.post("/office/widget/", values).status_code == 302
    assert widget_settings().origins == ["https://a.example"]
    assert AuditEntry.objects.filter(action="widget.settings").count() == 1


def test_figures_and_people_of_one_broker_alone(office: Client, globex: Broker) -> None:
    with broker_schema("globex"):
        master(person("manager", email="other@globex.example"), "Elsewhere")
    with broker_schema("acme"):
        book = master(person("manager"), "Here <b>")
        link(book, person("investor"))
        pages = [office.get(path).content.decode() for path in PAGES]
    assert "Here &lt;b&gt;" in pages[0]
    assert all("Elsewhere" not in page and "other@globex" not in page for page in pages)
    assert all("<script>" not in page and " style=" not in page for page in pages)


def test_a_master_goes_on_the_leaderboard_and_off(office: Client) -> None:
    book = master(person("manager"))
    Master.objects.filter(pk=book.pk).update(is_public=False)
    path = reverse("broker:publish", args=[book.public_id])
    for value, expected in (("1", True), ("1", True), ("0", False)):
        office.post(path, {"public": value})
        book.refresh_from_db()
        assert book.is_public is expected
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions == ["master.publish", "master.unpublish"]
