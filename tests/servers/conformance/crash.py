"""The server is killed without a warning; the adapter and its caller carry on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from apps.servers.acks import Ack, Done, NotFound, Rejected
from apps.servers.base import TradingServer
from apps.servers.commands import (
    BalanceOperation,
    SubmitOrder,
)
from apps.servers.events import (
    BalanceChanged,
    Fill,
    SessionUp,
)
from apps.servers.types import Side
from tests.servers.conformance.common import ALICE, MASTER, master
from tests.servers.peer import (
    Peer,
    deposit,
    open_account,
    open_tickets,
    order,
    session,
)


class CrashConformance:
    """The server is killed without a warning; the adapter and its caller carry on."""

    async def test_a_killed_server_loses_nothing_and_does_nothing_twice(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            await open_account(watch.server, ALICE, amount="0")
            limit = order(MASTER, "EURUSD", Side.BUY, "0.10", kind="limit", price=Decimal("1.05"))
            assert isinstance(await watch.server.submit(limit), Done)
            deposits = [deposit(ALICE, "1.00") for _ in range(200)]
            sending = [asyncio.create_task(watch.server.balance(d)) for d in deposits]
            await watch.until(lambda: len(watch.told(BalanceChanged)) >= 20)
            blocks = [order(MASTER, "EURUSD", Side.BUY, "0.01") for _ in range(50)]
            sending += [asyncio.create_task(watch.server.submit(block)) for block in blocks]
            await watch.until(lambda: watch.told(Fill))
            await peer.kill()
            outcomes = await asyncio.gather(*sending)
            assert not [o for o in outcomes if isinstance(o, Rejected)]
            await peer.restart()
            await watch.until(lambda: len(watch.told(SessionUp)) == 2)
            await _settle(watch.server, [*deposits, *blocks], outcomes)
            last = deposit(ALICE, "0.50")
            assert isinstance(await watch.server.balance(last), Done)
            await watch.until(lambda: watch.told(BalanceChanged)[-1].command_id == last.command_id)
            assert (await watch.server.account_state(ALICE)).balance == Decimal("200.50")
            assert len(watch.told(BalanceChanged)) == 201
            assert sorted(str(f.command_id) for f in watch.told(Fill)) == sorted(
                str(block.command_id) for block in blocks
            )
            assert sum(p.steps for p in await watch.server.positions(MASTER)) == 50
            assert [o.command_id for o in await watch.server.orders(MASTER)] == [
                str(limit.command_id)
            ]

    async def test_a_killed_allocation_is_whole_or_not_at_all(self, peer: Peer) -> None:
        async with session(peer) as watch:
            await master(watch.server)
            logins = list(range(2000, 2200))
            for login in logins:
                await open_account(watch.server, login, amount="0")
            await watch.server.submit(order(MASTER, "EURUSD", Side.BUY, "2.00"))
            rows = [(login, 1, number) for number, login in enumerate(logins, start=1)]
            command = open_tickets(await watch.fill(), rows)
            sending = asyncio.create_task(watch.server.allocate(command))
            await asyncio.sleep(0.002)
            await peer.kill()
            await sending
            await peer.restart()
            await watch.until(lambda: len(watch.told(SessionUp)) == 2)
            settled = await watch.server.resolve(command.command_id)
            page = await watch.server.accounts()
            held = [await watch.server.positions(account.login) for account in page.items]
            open_now = sum(len(positions) for positions in held)
            # 200 tickets, or the master's one unallocated fill
            assert open_now == (200 if isinstance(settled, Done) else 1)
            assert isinstance(await watch.server.allocate(command), Done)
            assert await watch.server.positions(MASTER) == []


async def _settle(
    server: TradingServer,
    commands: Sequence[SubmitOrder | BalanceOperation],
    outcomes: Sequence[Ack],
) -> None:
    """What a caller does: unknown is resolved; what was not seen is sent again, same id."""
    for command, outcome in zip(commands, outcomes, strict=True):
        settled = await server.resolve(command.command_id)
        if isinstance(outcome, Done):
            assert settled == outcome
        elif isinstance(settled, NotFound):
            again = (
                await server.submit(command)
                if isinstance(command, SubmitOrder)
                else await server.balance(command)
            )
            assert isinstance(again, Done)
        else:
            assert isinstance(settled, Done)
