"""The simulator as a process: isolation, tokens, restarts, pruned events, strangers, quotes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from decimal import Decimal
from pathlib import Path

import pytest

from apps.core.errors import ConflictError, ForbiddenError, InputError, UnavailableError
from apps.servers.acks import Done, Rejected
from apps.servers.base import TradingServer
from apps.servers.events import AccountChanged, Fill, Gap, Quote
from apps.servers.registry import open_server
from apps.servers.simulator.admin import open_admin
from apps.servers.simulator.messages import Fault
from apps.servers.types import Side
from tests.servers.peer import (
    ROOT,
    TOKEN,
    SimulatorPeer,
    deposit,
    open_account,
    order,
    running,
    session,
)

MASTER = 900
SIMULATOR = (sys.executable, "-m", "apps.servers.simulator")


def adapter(url: str, server: str, token: str = TOKEN) -> TradingServer:
    return open_server("simulator", {"url": url, "server": server, "token": token})


async def test_a_token_opens_its_own_server_only(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none") as process:
        async with open_admin(process.url) as admin:
            await admin.create_server("acme-sim", "acme-token-1")
            await admin.create_server("acme-sim", "acme-token-1")  # again: agreed
            await admin.create_server("globex-sim", "globex-token-1")
            with pytest.raises(ConflictError, match="another token"):
                await admin.create_server("acme-sim", "other-token-1")
            for bad in ("../evil", "UPPER", "", "a" * 41):
                with pytest.raises(InputError):
                    await admin.create_server(bad, "some-token-1")
            with pytest.raises(ForbiddenError):
                await admin.terminal(order(MASTER, "EURUSD", Side.BUY, "0.10"))  # no log-in
        for server, token in (("acme-sim", "globex-token-1"), ("nowhere", "acme-token-1")):
            with pytest.raises(ForbiddenError) as refused:
                await adapter(process.url, server, token).connect()
            assert refused.value.code == "auth_failed"
        acme = adapter(process.url, "acme-sim", "acme-token-1")
        globex = adapter(process.url, "globex-sim", "globex-token-1")
        await acme.connect()
        await globex.connect()
        await open_account(acme, 1)
        assert [a.login for a in (await acme.accounts()).items] == [1]
        assert (await globex.accounts()).items == []
        await acme.close()
        await globex.close()


async def test_nobody_listening_is_unavailable() -> None:
    server = open_server(
        "simulator", {"url": "tcp://127.0.0.1:1", "server": "x", "token": TOKEN, "timeout_s": 0.3}
    )
    with pytest.raises(UnavailableError):
        await server.connect()


@pytest.mark.parametrize(
    "config",
    [
        {"url": "http://127.0.0.1:80", "server": "x", "token": TOKEN},
        {"url": "tcp://127.0.0.1:99999", "server": "x", "token": TOKEN},
        {"url": "tcp://127.0.0.1:80", "token": TOKEN},
        {"url": "tcp://127.0.0.1:80", "server": "x", "token": TOKEN, "unknown": 1},
    ],
)
def test_a_wrong_configuration_is_named(config: dict[str, object]) -> None:
    with pytest.raises(InputError):
        open_server("simulator", config)


async def test_a_stale_quote_is_not_dealt_on_and_a_fresh_one_is(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none", "--stale-after-s", "0.3") as process:
        peer = SimulatorPeer(process)
        await peer.open()
        async with session(peer) as watch:
            await open_account(watch.server, MASTER, kind="master", amount="0")
            await asyncio.sleep(0.4)
            refused = await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            assert isinstance(refused, Rejected)
            assert (refused.code, refused.error_class) == ("stale_quote", "market")
            await peer.quote("EURUSD", "1.10000", "1.10010")
            again = await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "0.10"))
            assert isinstance(again, Done)
        await peer.close()


async def test_a_cursor_before_the_pruned_events_gets_a_gap(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none", "--kept-events", "100") as process:
        peer = SimulatorPeer(process)
        await peer.open()
        async with session(peer) as watch:
            await asyncio.gather(
                *(open_account(watch.server, login, amount="0") for login in range(1, 1011))
            )
            await watch.until(lambda: len(watch.told(AccountChanged)) == 1010)
            assert watch.told(Gap) == []
        async with session(peer, from_seq=5) as late:
            await late.reached(1010)
            [gap] = late.told(Gap)
            assert (gap.from_seq, gap.to_seq) == (5, 901)
            assert [e.seq for e in late.told(AccountChanged)] == list(range(901, 1011))
        await peer.close()


async def test_strangers_are_cut_off_and_others_do_not_notice(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none") as process:
        peer = SimulatorPeer(process)
        await peer.open()
        host, port = process.url.removeprefix("tcp://").split(":")
        async with session(peer) as watch:
            for garbage in (
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                b"\x00\x00\x00\x04\xff\xff\xff\xff",
                b"\x00\x00\x00\x00",
            ):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(garbage)
                assert await asyncio.wait_for(reader.read(), 5) == b""
                writer.close()
            await open_account(watch.server, 1)
        await peer.close()


def test_data_is_worked_on_by_one_process_only(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none") as process:
        second = subprocess.run(
            [*SIMULATOR, "--listen", "127.0.0.1:0", "--data", str(process.data)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert second.returncode == 1
        assert "another simulator works on" in second.stderr


def test_an_open_address_needs_an_admin_token(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "SIM_ADMIN_TOKEN"}
    refused = subprocess.run(
        [*SIMULATOR, "--listen", "0.0.0.0:0", "--data", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert refused.returncode == 2
    assert "SIM_ADMIN_TOKEN" in refused.stderr


async def test_the_same_over_a_unix_socket_that_a_kill_left_behind(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none", listen=f"unix:{tmp_path}/s") as process:
        peer = SimulatorPeer(process)
        await peer.open()
        async with session(peer) as watch:
            await open_account(watch.server, 1)
        await peer.kill()
        await peer.restart()
        async with session(peer) as watch:
            assert (await watch.server.account_state(1)).balance == Decimal(10000)
        await peer.close()
        assert await asyncio.to_thread(process.stop) == 0


async def test_faults_are_off_unless_asked_for(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none") as process:
        async with open_admin(process.url) as admin:
            await admin.create_server("x", TOKEN)
            with pytest.raises(InputError) as refused:
                await admin.fault(Fault(server="x", kind="lose_ack"))
            assert refused.value.code == "faults_disabled"


async def test_generated_quotes_flow_and_a_restart_continues_the_same_market(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "sim") as process:
        async with open_admin(process.url) as admin:
            await admin.create_server("x", TOKEN)
        prices = []
        for _ in range(2):
            server = adapter(process.url, "x")
            await server.connect()
            await server.subscribe_quotes(["EURUSD", "XAUUSD"])
            async for event in server.events(0):
                if isinstance(event, Quote) and event.symbol == "EURUSD":
                    prices.append(event.bid)
                    assert event.ask > event.bid
                    break
            now_ms = int(time.time() * 1000)
            bars = await server.bars("EURUSD", now_ms - 3 * 86_400_000, now_ms + 60_000)
            assert len(bars) > 3 * 1_400
            assert all(b.low <= min(b.open, b.close) <= b.high for b in bars)
            assert abs(bars[-1].close / prices[-1] - 1) < Decimal("0.002")
            with pytest.raises(InputError):
                await server.bars("EURUSD", 0, now_ms)
            await server.close()
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start)
        assert abs(prices[1] / prices[0] - 1) < Decimal("0.002")


async def test_a_feed_pauses_the_generator_and_leaves_the_price_where_it_is(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "sim", "--speed", "20") as process:
        async with open_admin(process.url) as admin:
            await admin.create_server("x", TOKEN)
        server = adapter(process.url, "x")
        await server.connect()
        await server.subscribe_quotes(["GBPUSD"])
        bids: list[Decimal] = []

        async def collect() -> None:
            async for event in server.events(0):
                if isinstance(event, Quote):
                    bids.append(event.bid)

        collecting = asyncio.create_task(collect())
        async with open_admin(process.url) as feed:
            await feed.feed_start(["GBPUSD"])
            await asyncio.sleep(0.2)
            bids.clear()
            await feed.feed_quotes([("GBPUSD", 199_000, 199_010, 0, 1)])
            await asyncio.sleep(0.5)
            assert bids == [Decimal("1.99000")]
            with pytest.raises(InputError) as refused:
                await feed.feed_quotes([("GBPUSD", 199_000, 199_010, 0, 1), ("GBPUSD", 5, 4, 0, 1)])
            assert refused.value.details == {"row": 1}
            with pytest.raises(InputError) as refused:
                await feed.feed_quotes([("EURUSD", 110_000, 110_010, 0, 1)])
            assert refused.value.code == "feed_taken"
        await asyncio.sleep(1.0)
        assert len(bids) > 3  # the generator goes on …
        assert all(abs(bid / Decimal("1.99") - 1) < Decimal("0.01") for bid in bids)  # … from there
        await server.close()
        await collecting


async def test_a_slow_consumer_gets_every_event_but_only_the_latest_quotes(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "sim", "--quotes", "none") as process:
        peer = SimulatorPeer(process)
        await peer.open()
        server = peer.adapter()
        events = server.events(0)
        await server.connect()
        await server.subscribe_quotes(["EURUSD"])
        await open_account(server, MASTER, kind="master", amount="0")
        for number in range(50):
            await server.submit(order(MASTER, "EURUSD", Side.BUY, "0.01"))
            await peer.quote("EURUSD", f"1.10{number:03d}", "1.20000")
        await asyncio.sleep(0.3)
        told = []
        async for event in events:  # only now does it read
            told.append(event)
            if isinstance(event, Quote):
                break
        assert len([e for e in told if isinstance(e, Fill)]) == 50
        assert told[-1].bid == Decimal("1.10049")  # type: ignore[union-attr]
        await server.close()
        await peer.close()


async def test_one_command_from_two_sessions_at_once_has_one_effect(tmp_path: Path) -> None:
    with running(tmp_path / "sim", "--quotes", "none") as process:
        peer = SimulatorPeer(process)
        await peer.open()
        async with session(peer) as one, session(peer) as two:
            await open_account(one.server, 1, amount="0")
            command = deposit(1, "7.00")
            outcomes = await asyncio.gather(
                *(watch.server.balance(command) for watch in (one, two) for _ in range(10))
            )
            assert len({str(outcome) for outcome in outcomes}) == 1
            assert (await two.server.account_state(1)).balance == Decimal("7.00")
            assert await two.server.resolve(uuid.uuid4()) != outcomes[0]
        await peer.close()
