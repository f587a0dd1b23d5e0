"""What a socket shows: a snapshot, then frames that lead to exactly what a new snapshot says."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.engine.messages import BlockView
from apps.live import limits
from apps.live.hub import hub
from apps.live.patch import merge
from config.asgi import application
from tests.live.conftest import Open, Place
from tests.live.publisher import frame, now_ms


class Viewer:
    """A client that keeps its state as the page does."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.state: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self.heard = 0

    async def hear(self) -> dict[str, Any]:
        message = await self.socket.receive_json_from(timeout=5)
        self.heard += 1
        if message["type"] == "snapshot":
            self.state = message["state"]
        elif message["type"] == "frame":
            self.state = merge(self.state, message["patch"])
        self.last = message
        return message

    async def until(self, true: Any) -> None:
        """Listen until `true(state)`; fails after five seconds of anything else."""
        async with asyncio.timeout(5):
            while not true(self.state):
                await self.hear()


async def enter(socket: Any) -> Viewer:
    assert (await socket.connect())[0]
    viewer = Viewer(socket)
    message = await viewer.hear()
    assert message["type"] == "snapshot"
    return viewer


def rows(place: Place, equity: int, margin: int = 50_000) -> list[tuple[int, int, int, int, int]]:
    return [(place.account.pk, 100_000, equity, equity - 100_000, margin)]


async def test_a_snapshot_and_the_frames_after_it_are_a_fresh_snapshot(
    here: Place, open_socket: Open
) -> None:
    publisher, path = here.publisher(), f"/ws/desk/{here.book_id}"
    one, two = uuid.uuid4(), uuid.uuid4()

    def block(block_id: uuid.UUID, floating: int) -> BlockView:
        return BlockView(
            block_id=block_id, symbol="EURUSD", side="buy", open_steps=10, open_points=108500,
            floating_minor=floating,
        )  # fmt: skip

    publisher.frame(frame(rows(here, 100_500), seq=10, blocks=[block(one, 500)]))
    publisher.quote(bid="1.08500")
    viewer = await enter(open_socket(path, "manager"))
    await viewer.socket.send_json_to({"type": "watch", "accounts": [str(here.account.public_id)]})
    publisher.quote(bid="1.08505")
    publisher.frame(frame(rows(here, 99_000), seq=11, blocks=[block(one, -900), block(two, 1)]))
    await viewer.until(lambda s: str(two) in s["blocks"] and s["accounts"])
    publisher.frame(frame(rows(here, 90_000, margin=0), seq=12, blocks=[block(two, 7)]))
    await viewer.until(lambda s: str(one) not in s["blocks"])

    fresh = await enter(open_socket(path, "manager"))
    await fresh.socket.send_json_to({"type": "watch", "accounts": [str(here.account.public_id)]})
    await fresh.until(lambda s: s["accounts"])
    assert viewer.state == fresh.state
    row = viewer.state["accounts"][str(here.account.public_id)]
    assert row == {
        "currency": "USD", "balance": 100_000, "equity": 90_000, "floating": -10_000, "margin": 0
    }  # fmt: skip
    assert viewer.state["quotes"]["EURUSD"]["bid"] == "1.08505"
    await viewer.socket.disconnect()
    await fresh.socket.disconnect()


async def test_the_margin_level_is_exact_and_the_lowest_is_found(
    here: Place, open_socket: Open
) -> None:
    others = [(9_000_001, 0, 300, 0, 200), (9_000_002, 0, 199, 0, 200), (9_000_003, 0, 5, 0, 0)]
    here.publisher().frame(frame([*rows(here, 100_001), *others], seq=20))
    viewer = await enter(open_socket(f"/ws/desk/{here.book_id}", "manager"))
    await viewer.until(lambda s: s["book"].get("accounts") == 4)
    assert viewer.state["book"]["lowest_level_ppm"] == 995_000
    assert viewer.state["book"]["below_full_margin"] == 1
    assert viewer.state["accounts"] == {}, "rows are sent for what the page asks for"
    await viewer.socket.disconnect()


async def test_a_slow_socket_gets_the_latest_state_and_no_backlog(
    here: Place, open_socket: Open
) -> None:
    publisher = here.publisher()
    publisher.frame(frame(rows(here, 100_000), seq=30))
    viewer = await enter(open_socket(f"/ws/desk/{here.book_id}", "manager"))
    for step in range(300):  # 300 frames in about a second
        publisher.frame(frame(rows(here, 100_000 + step), seq=31 + step, floating=step))
        await asyncio.sleep(0.003)
    viewer.heard = 0
    await viewer.until(lambda s: s["book"]["floating"] == 299)
    assert viewer.heard < 40, "frames were conflated, not queued"
    await viewer.socket.disconnect()


async def test_a_peer_that_takes_nothing_has_one_message_under_way(
    here: Place, open_socket: Open
) -> None:
    """The transport pushes back by not returning from `send`; the state goes on without it."""
    publisher, path = here.publisher(), f"/ws/desk/{here.book_id}"
    publisher.frame(frame(rows(here, 100_000), seq=350))
    socket = open_socket(path, "manager")
    taken, free = asyncio.Queue[str](), asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            taken.put_nowait(message["text"])
            await free.wait()

    told = asyncio.Queue[dict[str, Any]]()
    told.put_nowait({"type": "websocket.connect"})
    running = asyncio.create_task(application(socket.scope, told.get, send))
    await asyncio.wait_for(taken.get(), 5)
    for step in range(50):
        publisher.frame(frame(rows(here, 100_000), seq=351 + step, floating=step))
        await asyncio.sleep(0.01)
    assert taken.empty(), "nothing is sent while the peer does not take it"
    free.set()
    second = json.loads(await asyncio.wait_for(taken.get(), 5))
    assert second["patch"]["book"]["floating"] == 49, "then the latest, at once"
    told.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(running, 5)


async def test_silence_is_filled_and_the_age_of_the_data_stays_what_it_is(
    here: Place, open_socket: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_S", 0.1)
    old_ms = now_ms() - 60_000
    here.publisher().frame(frame(rows(here, 100_000), seq=400, at_ms=old_ms))
    await sync_to_async(here.project)(400)
    viewer = await enter(open_socket(f"/ws/desk/{here.book_id}", "manager"))
    beats = [await viewer.hear() for _ in range(3)]
    assert [beat["patch"] for beat in beats] == [{}, {}, {}]
    assert {beat["at_ms"] for beat in beats} == {old_ms}
    assert all(beat["sent_ms"] > old_ms + 50_000 for beat in beats)
    await viewer.socket.disconnect()


async def test_a_new_epoch_starts_with_a_snapshot_and_the_old_owner_is_ignored(
    here: Place, open_socket: Open
) -> None:
    publisher = here.publisher()
    publisher.frame(frame(rows(here, 100_000), seq=500, epoch=2))
    viewer = await enter(open_socket(f"/ws/desk/{here.book_id}", "manager"))
    publisher.frame(frame(rows(here, 100_777), seq=501, epoch=3, floating=777))
    async with asyncio.timeout(5):
        while (await viewer.hear())["type"] != "snapshot":
            pass
    assert (viewer.last["epoch"], viewer.last["seq"]) == (3, 501)
    publisher.frame(frame(rows(here, 1), seq=900, epoch=2, floating=-1))
    publisher.quote(bid="1.09999")
    await viewer.until(lambda s: s["quotes"]["EURUSD"]["bid"] == "1.09999")
    assert viewer.state["book"]["floating"] == 777
    await viewer.socket.disconnect()


async def test_an_investor_sees_the_own_account_and_no_other(
    here: Place, open_socket: Open
) -> None:
    publisher = here.publisher()
    publisher.frame(frame([*rows(here, 101_000), (77, 1, 2, 3, 4)], seq=600, epoch=4))
    viewer = await enter(open_socket("/ws/portfolio", "investor"))
    await viewer.until(lambda s: s["accounts"])
    assert set(viewer.state["accounts"]) == {str(here.account.public_id)}
    account = viewer.state["accounts"][str(here.account.public_id)]
    assert account["equity"] == 101_000
    assert account["level_ppm"] == 2_020_000
    await viewer.socket.disconnect()


async def test_a_projected_ticket_reaches_the_investor_and_is_marked_at_the_closing_side(
    here: Place, open_socket: Open
) -> None:
    """The page changes within a second of the record, without asking again."""
    publisher = here.publisher()
    publisher.frame(frame(rows(here, 100_000), seq=700, epoch=5))
    publisher.quote(bid="1.08500", ask="1.08510")
    await sync_to_async(here.project)(700)
    viewer = await enter(open_socket("/ws/portfolio", "investor"))
    ticket = await sync_to_async(here.put_ticket)(steps=100, seq=701)
    async with asyncio.timeout(1):
        publisher.frame(frame(rows(here, 100_000), seq=701, epoch=5))
        await viewer.until(lambda s: str(ticket) in s["tickets"])
    row = viewer.state["tickets"][str(ticket)]
    # 1.00 lot long from 1.08400, closes at the bid 1.08500: 100 points of 1 USD.
    assert (row["price"], row["pnl"]) == ("1.08500", 10_000)
    assert viewer.state["books"][str(here.book_id)]["projected_seq"] == 701
    publisher.quote(bid="1.08300", ask="1.08310")
    await viewer.until(lambda s: s["tickets"][str(ticket)].get("pnl") == -10_000)
    await viewer.socket.disconnect()


async def test_two_brokers_at_once_each_read_their_own_schema(
    here: Place, there: Place, open_socket: Open
) -> None:
    """Consumers' database calls share a thread: each enters its broker's schema itself."""
    for place, equity in ((here, 111_111), (there, 222_222)):
        place.publisher().frame(frame(rows(place, equity), seq=800, epoch=6))
    sockets = []
    for _ in range(4):
        for place in (here, there):
            sockets.append((place, open_socket("/ws/portfolio", "investor", at=place)))
            sockets.append((place, open_socket(f"/ws/desk/{place.book_id}", "manager", at=place)))
    viewers = await asyncio.gather(*(enter(socket) for _, socket in sockets))
    for (place, _), viewer in zip(sockets, viewers, strict=True):
        expected = {here.slug: 111_111, there.slug: 222_222}[place.slug]
        seen = viewer.state
        if "tickets" in seen:
            assert set(seen["accounts"]) == {str(place.account.public_id)}
            assert seen["accounts"][str(place.account.public_id)]["equity"] == expected
        else:
            assert seen["book"]["aum"] == expected
    await asyncio.gather(*(viewer.socket.disconnect() for viewer in viewers))


async def test_all_sockets_of_a_book_share_one_subscription_and_leave_none_behind(
    here: Place, open_socket: Open
) -> None:
    here.publisher().frame(frame(rows(here, 1), seq=900, epoch=7))
    viewers = [
        await enter(open_socket(f"/ws/desk/{here.book_id}", who))
        for who in ("manager", "admin", "manager")
    ]
    assert hub().watched() == 2  # the book's frames and the broker's quotes
    for viewer in viewers:
        await viewer.socket.disconnect()
    assert hub().watched() == 0


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("{", "not_json"),
        ("[]", "not_a_message"),
        ('{"type": 1}', "not_a_message"),
        ('{"type": "order"}', "unknown_message"),
        ('{"type": "watch"}', "bad_watch"),
        ('{"type": "watch", "accounts": [1]}', "bad_watch"),
        (json.dumps({"type": "watch", "accounts": ["x"] * 251}), "too_many_accounts"),
        (json.dumps({"type": "watch", "accounts": ["x" * 9_000]}), "message_too_long"),
    ],
)
async def test_a_bad_message_gets_a_code_and_the_socket_goes_on(
    here: Place, open_socket: Open, sent: str, code: str
) -> None:
    here.publisher().frame(frame(rows(here, 1), seq=1000, epoch=8))
    viewer = await enter(open_socket(f"/ws/desk/{here.book_id}", "manager"))
    await viewer.socket.send_to(text_data=sent)
    async with asyncio.timeout(5):
        while (await viewer.hear())["type"] != "error":
            pass
    assert viewer.last["code"] == code
    here.publisher().frame(frame(rows(here, 2), seq=1001, epoch=8, floating=42))
    await viewer.until(lambda s: s["book"].get("floating") == 42)
    await viewer.socket.disconnect()


async def test_a_user_has_a_limited_number_of_sockets(
    here: Place, open_socket: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_SOCKETS_PER_USER", 2)
    path = f"/ws/desk/{here.book_id}"
    held = [await enter(open_socket(path, "manager")) for _ in range(2)]
    third = open_socket(path, "manager")
    await third.connect()
    assert (await third.receive_json_from(timeout=5))["code"] == "too_many_sockets"
    assert (await third.receive_output(timeout=5))["code"] == 4429
    await held[0].socket.disconnect()
    held[0] = await enter(open_socket(path, "manager"))
    for viewer in held:
        await viewer.socket.disconnect()


async def test_a_chatterbox_is_closed(
    here: Place, open_socket: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_MESSAGES_PER_WINDOW", 3)
    viewer = await enter(open_socket(f"/ws/desk/{here.book_id}", "manager"))
    for _ in range(5):
        await viewer.socket.send_to(text_data="{}")
    async with asyncio.timeout(5):
        while (await viewer.socket.receive_output(timeout=5))["type"] != "websocket.close":
            pass
