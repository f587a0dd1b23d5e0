"""Who gets in: every refusal has its code; no broker's session opens another broker's socket."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import override_settings

from apps.live import limits
from apps.live.door import Handshake, origin_is_own
from tenants.door import broker_schema
from tests.live.conftest import Open, Place


async def refusal(socket: Any) -> tuple[int, str]:
    """(close code, reason) of a socket that is refused after it was accepted."""
    connected, _ = await socket.connect()
    assert connected
    error = await socket.receive_json_from(timeout=5)
    assert error["type"] == "error"
    closed = await socket.receive_output(timeout=5)
    assert closed["type"] == "websocket.close"
    assert closed["reason"] == error["code"]
    return closed["code"], closed["reason"]


async def test_a_session_of_one_broker_opens_nothing_at_another(
    here: Place, there: Place, open_socket: Open
) -> None:
    path = f"/ws/desk/{there.book_id}"
    stolen = open_socket(path, at=there, session=here.sessions["manager"])
    assert await refusal(stolen) == (4401, "not_logged_in")
    portfolio = open_socket("/ws/portfolio", at=there, session=here.sessions["investor"])
    assert await refusal(portfolio) == (4401, "not_logged_in")


async def test_another_brokers_book_does_not_exist_here(
    here: Place, there: Place, open_socket: Open
) -> None:
    socket = open_socket(f"/ws/desk/{there.book_id}", "manager", at=here)
    assert await refusal(socket) == (4404, "book_unknown")


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://evil.example", "http://evil.example/{host}", "http://{host}.evil.example",
     "http://{there}:8000", "ftp://{host}", "http://[", "//"],
)  # fmt: skip
async def test_a_page_of_a_foreign_origin_is_refused(
    here: Place, there: Place, open_socket: Open, origin: str
) -> None:
    origin = origin.format(host=here.host, there=there.host)
    socket = open_socket(f"/ws/desk/{here.book_id}", "manager", origin=origin)
    assert await refusal(socket) == (4403, "foreign_origin")


@pytest.mark.parametrize("host", ["nobody.localhost:8001", "localhost", "[", ""])
async def test_a_host_that_no_broker_owns_is_refused(
    here: Place, open_socket: Open, host: str
) -> None:
    socket = open_socket("/ws/portfolio", "investor", host=host or " ")
    assert await refusal(socket) == (4404, "host_unknown")


async def test_nobody_without_a_session_gets_in(here: Place, open_socket: Open) -> None:
    assert await refusal(open_socket("/ws/portfolio")) == (4401, "not_logged_in")
    made_up = open_socket("/ws/portfolio", session="x" * 32)
    assert await refusal(made_up) == (4401, "not_logged_in")


@pytest.mark.parametrize(
    ("who", "path", "expected"),
    [
        ("investor", "desk", (4403, "role_missing")),
        ("finance", "desk", (4403, "role_missing")),
        ("other_manager", "desk", (4404, "book_unknown")),
        ("manager", "portfolio", (4403, "role_missing")),
        ("admin", "portfolio", (4403, "role_missing")),
        ("manager", "nowhere", (4404, "book_unknown")),
    ],
)
async def test_each_role_has_its_own_sockets(
    here: Place, open_socket: Open, who: str, path: str, expected: tuple[int, str]
) -> None:
    paths = {
        "desk": f"/ws/desk/{here.book_id}",
        "portfolio": "/ws/portfolio",
        "nowhere": f"/ws/desk/{uuid.uuid4()}",
    }
    assert await refusal(open_socket(paths[path], who)) == expected


async def test_an_admin_oversees_any_book_of_the_broker(here: Place, open_socket: Open) -> None:
    socket = open_socket(f"/ws/desk/{here.book_id}", "admin")
    await socket.connect()
    assert (await socket.receive_json_from(timeout=5))["type"] == "snapshot"
    await socket.disconnect()


async def test_any_other_path_is_closed_with_a_reason(here: Place, open_socket: Open) -> None:
    socket = open_socket("/ws/other", "manager")
    await socket.connect()
    closed = await socket.receive_output(timeout=5)
    assert (closed["code"], closed["reason"]) == (4404, "no_such_socket")


async def test_an_open_socket_ends_when_its_user_is_locked_out(
    here: Place, open_socket: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RECHECK_S", 0.1)
    user = here.users["other_investor"]
    socket = open_socket("/ws/portfolio", "other_investor")
    await socket.connect()
    assert (await socket.receive_json_from(timeout=5))["type"] == "snapshot"

    def lock(active: bool) -> None:
        with broker_schema(here.slug):
            user.is_active = active
            user.save(update_fields=["is_active"])

    await sync_to_async(lock)(False)
    try:
        assert (await socket.receive_json_from(timeout=5))["code"] == "not_logged_in"
        assert (await socket.receive_output(timeout=5))["code"] == 4401
    finally:
        await sync_to_async(lock)(True)


@override_settings(DEBUG=False)
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://desk.acme.example", True),
        ("http://desk.acme.example", False),
        ("https://desk.acme.example:8000", False),
        ("https://other.acme.example", False),
    ],
)
def test_in_production_the_origin_is_the_handshakes_own_https_host(
    origin: str, allowed: bool
) -> None:
    handshake = Handshake("desk.acme.example", origin, "")
    own = frozenset({"desk.acme.example", "other.acme.example"})
    assert origin_is_own(handshake, own) is allowed
