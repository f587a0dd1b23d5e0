"""Close-by: tickets of both sides of an account closed against each other, without an order."""

from __future__ import annotations

import numpy as np

from apps.core.errors import RejectedError
from apps.core.ints import exact_sum, int64
from apps.servers.acks import Booked, Done
from apps.servers.commands import AllocateNetted
from apps.servers.events import Allocated
from apps.servers.simulator.allocate import (
    Source,
    giving_tickets,
    realised,
    vectors,
    write_deals,
)
from apps.servers.simulator.exchange import Exchange
from apps.servers.simulator.orders import dealable
from apps.servers.simulator.symbols import symbol_named
from apps.servers.types import Side


def allocate_netted(exchange: Exchange, command: AllocateNetted) -> Done:
    steps, ticket_ids = vectors(command.steps, command.ticket_ids)
    spec = symbol_named(command.symbol)
    dealable(exchange, spec.name)
    points = spec.to_points(command.price)
    if exchange.account(command.login).kind != "master":
        raise RejectedError("account_not_master", f"account {command.login} is no master")
    if int(steps.min()) < 1 or points < 1:
        raise RejectedError("vector_invalid", "volumes and the price are positive")
    tickets = giving_tickets(exchange, ticket_ids, steps)
    logins = int64([row["login"] for row in tickets])
    sides = int64([row["side"] for row in tickets])
    if any(row["symbol"] != spec.name for row in tickets):
        raise RejectedError("ticket_mismatch", f"a ticket is not of {spec.name}")
    for login in np.unique(logins):
        if exact_sum((sides * steps)[logins == login]) != 0:
            raise RejectedError(
                "ticket_mismatch", f"the tickets of account {login} do not cancel out"
            )
    profits = np.zeros_like(steps)
    for side in Side:
        mine = np.flatnonzero(sides == side)
        source = Source((), spec.name, side.opposite, points, 0)
        chosen = [tickets[at] for at in mine.tolist()]
        parts = logins[mine], steps[mine]
        profits[mine] = realised(exchange, source, command.rates, chosen, *parts)
        columns = (ticket_ids[mine].tolist(), *(part.tolist() for part in parts))
        rows = list(zip(*columns, strict=True))
        write_deals(exchange, command, source, "out", rows, profits[mine].tolist())
    exchange.store.many(
        "UPDATE tickets SET open_steps = open_steps - ? WHERE ticket_id = ?",
        zip(steps.tolist(), ticket_ids.tolist(), strict=True),
    )
    exchange.store.many(
        "UPDATE accounts SET balance = balance + ? WHERE login = ?",
        zip(profits.tolist(), logins.tolist(), strict=True),
    )
    exchange.tell(
        Allocated,
        command_id=command.command_id,
        login=command.login,
        symbol=spec.name,
        deal_ids=(),
        tickets=len(steps),
        steps=exact_sum(steps),
        closing=True,
    )
    booked = Booked(
        logins=logins.astype("<i8").tobytes(),
        ticket_ids=ticket_ids.astype("<i8").tobytes(),
        profit_minor=profits.astype("<i8").tobytes(),
        unallocated_steps=0,
    )
    return Done(command.command_id, booked=booked)
