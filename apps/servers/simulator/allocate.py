"""Give-up: booking a master's fills on other accounts, thousands of them in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from apps.core.errors import RejectedError
from apps.core.ints import Int64Array, exact_sum, half_up_div, int64
from apps.core.pnl import pnl_minor
from apps.servers.acks import Booked, Done
from apps.servers.commands import Allocate, AllocateClose, AllocateOpen
from apps.servers.events import Allocated
from apps.servers.simulator.exchange import Exchange, decode_rates
from apps.servers.simulator.fills import FIRST_OWN_TICKET
from apps.servers.simulator.store import Row
from apps.servers.simulator.symbols import ACCOUNT_CURRENCIES, SYMBOLS, TERMS
from apps.servers.types import Side

MAX_ROWS = 200_000
FromFills = AllocateOpen | AllocateClose


@dataclass(frozen=True, slots=True)
class Source:
    """The master's fills that an allocation draws on."""

    fills: Sequence[Row]
    symbol: str
    side: Side
    points: int  # volume-weighted, rounded half-up
    unallocated: int


def allocate_open(exchange: Exchange, command: AllocateOpen) -> Done:
    logins, steps, ticket_ids = vectors(command.logins, command.steps, command.ticket_ids)
    source = _source(exchange, command, steps)
    _known_logins(exchange, logins)
    _new_tickets(exchange, ticket_ids)
    now_ms = exchange.market.now_ms()
    rows = list(zip(ticket_ids.tolist(), logins.tolist(), steps.tolist(), strict=True))
    side, points = int(source.side), source.points
    exchange.store.many(
        "INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (ticket, login, source.symbol, side, volume, volume, points, now_ms)
            for ticket, login, volume in rows
        ],
    )
    write_deals(exchange, command, source, "in", rows, [0] * len(rows))
    return _done(exchange, command, source, logins, ticket_ids, steps, np.zeros_like(steps))


def allocate_close(exchange: Exchange, command: AllocateClose) -> Done:
    steps, ticket_ids = vectors(command.steps, command.ticket_ids)
    source = _source(exchange, command, steps)
    tickets = _open_tickets(exchange, ticket_ids, steps, source)
    logins = int64([row["login"] for row in tickets])
    rates = decode_rates(source.fills[-1]["rates"])
    profits = realised(exchange, source, rates, tickets, logins, steps)
    rows = list(zip(ticket_ids.tolist(), logins.tolist(), steps.tolist(), strict=True))
    store = exchange.store
    store.many(
        "UPDATE tickets SET open_steps = open_steps - ? WHERE ticket_id = ?",
        [(volume, ticket) for ticket, _, volume in rows],
    )
    store.many(
        "UPDATE accounts SET balance = balance + ? WHERE login = ?",
        zip(profits.tolist(), logins.tolist(), strict=True),
    )
    write_deals(exchange, command, source, "out", rows, profits.tolist())
    return _done(exchange, command, source, logins, ticket_ids, steps, profits)


def vectors(*packed: bytes) -> list[Int64Array]:
    """Unpacks equally long little-endian int64 vectors. RejectedError `vector_invalid`."""
    sizes = {len(part) for part in packed}
    size = sizes.pop()
    if sizes or size % 8 or not 0 < size <= 8 * MAX_ROWS:
        raise RejectedError(
            "vector_invalid", f"vectors must be of one length, 1 to {MAX_ROWS} int64 values"
        )
    return [np.frombuffer(part, dtype="<i8").astype(np.int64) for part in packed]


def _source(exchange: Exchange, command: FromFills, steps: Int64Array) -> Source:
    """Checks the fills against the command: master, symbol, side, price, volume."""
    if not exchange.store.block_allocation:
        raise RejectedError("unsupported", "this server books no shares of a master's fill")
    master = exchange.account(command.login)
    if master.kind != "master":
        raise RejectedError("account_not_master", f"account {master.login} is no master")
    if int(steps.min()) < 1:
        raise RejectedError("vector_invalid", "every row needs at least one step")
    fills = _fills(exchange, command)
    first = fills[0]
    spec = SYMBOLS[first["symbol"]]
    volume = sum(row["steps"] for row in fills)
    points = half_up_div(sum(row["steps"] * row["points"] for row in fills), volume)
    if spec.to_points(command.price) != points:
        raise RejectedError(
            "price_mismatch", f"these deals were filled at {spec.to_price(points)} on average"
        )
    unallocated = sum(row["unallocated"] for row in fills)
    if exact_sum(steps) > unallocated:
        raise RejectedError(
            "over_allocated", f"{exact_sum(steps)} steps asked, {unallocated} are unallocated"
        )
    return Source(fills, spec.name, Side(first["side"]), points, unallocated)


def _fills(exchange: Exchange, command: FromFills) -> list[Row]:
    """The fills named, in the order named."""
    if not all(deal_id.isascii() and deal_id.isdigit() for deal_id in command.deal_ids):
        raise RejectedError("deal_unknown", "a deal id here is a number")
    wanted = [int(deal_id) for deal_id in command.deal_ids]
    fills = exchange.store.by_ids(
        "SELECT f.* FROM wanted JOIN fills f ON f.deal_id = wanted.id ORDER BY wanted.position",
        wanted,
    )
    if not wanted or len(set(wanted)) != len(fills):
        raise RejectedError("deal_unknown", f"not all of {list(command.deal_ids)} are fills")
    if len({(row["login"], row["symbol"], row["side"]) for row in fills}) != 1:
        raise RejectedError("deal_mismatch", "the deals differ in symbol, side or account")
    if fills[0]["login"] != command.login:
        raise RejectedError("deal_mismatch", f"the deals are not of account {command.login}")
    return fills


def _known_logins(exchange: Exchange, logins: Int64Array) -> None:
    for login in logins.tolist():
        account = exchange.accounts.get(login)
        if account is None:
            raise RejectedError("account_unknown", f"no account {login}", login=login)
        if account.kind == "master":
            raise RejectedError("account_unknown", f"account {login} is a master", login=login)


def _new_tickets(exchange: Exchange, ticket_ids: Int64Array) -> None:
    distinct = np.unique(ticket_ids)
    if distinct.size != ticket_ids.size:
        raise RejectedError("ticket_exists", "a ticket id occurs twice")
    if int(distinct[0]) < 1 or int(distinct[-1]) >= FIRST_OWN_TICKET:
        raise RejectedError("vector_invalid", f"ticket ids are 1 to {FIRST_OWN_TICKET - 1}")
    taken = exchange.store.by_ids(
        "SELECT t.ticket_id FROM wanted JOIN tickets t ON t.ticket_id = wanted.id LIMIT 1",
        distinct.tolist(),
    )
    if taken:
        raise RejectedError("ticket_exists", f"ticket {taken[0]['ticket_id']} exists")


def _open_tickets(
    exchange: Exchange, ticket_ids: Int64Array, steps: Int64Array, source: Source
) -> list[Row]:
    """The tickets named, each of the other side than the fills."""
    tickets = giving_tickets(exchange, ticket_ids, steps)
    for row in tickets:
        if row["symbol"] != source.symbol or row["side"] != -source.side:
            raise RejectedError(
                "ticket_mismatch", f"ticket {row['ticket_id']} is of another symbol or side"
            )
    return tickets


def giving_tickets(exchange: Exchange, ticket_ids: Int64Array, steps: Int64Array) -> list[Row]:
    """The tickets named, in the order named, each able to give its steps."""
    if np.unique(ticket_ids).size != ticket_ids.size:
        raise RejectedError("ticket_mismatch", "a ticket id occurs twice")
    tickets = exchange.store.by_ids(
        "SELECT t.* FROM wanted JOIN tickets t ON t.ticket_id = wanted.id ORDER BY wanted.position",
        ticket_ids.tolist(),
    )
    if len(tickets) != ticket_ids.size:
        known = {row["ticket_id"] for row in tickets}
        missing = next(t for t in ticket_ids.tolist() if t not in known)
        raise RejectedError("position_unknown", f"no ticket {missing}", ticket_id=missing)
    for row, volume in zip(tickets, steps.tolist(), strict=True):
        if row["open_steps"] < volume:
            raise RejectedError(
                "ticket_mismatch",
                f"ticket {row['ticket_id']} has {row['open_steps']} steps open, {volume} asked",
            )
    return tickets


def realised(
    exchange: Exchange,
    source: Source,
    rates: dict[str, Decimal],
    tickets: Sequence[Row],
    logins: Int64Array,
    steps: Int64Array,
) -> Int64Array:
    """Realised P&L of each ticket, closed by the source at these rates."""
    open_points = int64([row["points"] for row in tickets])
    currencies = np.array([exchange.accounts[login].currency for login in logins.tolist()])
    profits = np.zeros_like(steps)
    for currency in sorted(set(currencies.tolist())):
        if currency not in rates:
            raise RejectedError(
                "rate_missing", f"there is no rate to {currency} for {source.symbol}"
            )
        chosen = currencies == currency
        profits[chosen] = pnl_minor(
            steps[chosen],
            open_points[chosen],
            source.points,
            -int(source.side),  # the tickets' side
            TERMS[source.symbol],
            rates[currency],
            ACCOUNT_CURRENCIES[currency],
        )
    return profits


def write_deals(
    exchange: Exchange,
    command: Allocate,
    source: Source,
    kind: str,
    rows: Sequence[tuple[int, int, int]],
    profits: Sequence[int],
) -> None:
    """One deal per row of (ticket id, login, steps)."""
    first = exchange.store.new_deals(len(rows))
    now_ms, command_id = exchange.market.now_ms(), str(command.command_id)
    side, points = int(source.side), source.points
    exchange.store.many(
        "INSERT INTO deals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
        [
            (
                first + index,
                login,
                kind,
                profits[index],
                now_ms,
                command_id,
                ticket,
                source.symbol,
                side,
                volume,
                points,
            )
            for index, (ticket, login, volume) in enumerate(rows)
        ],
    )


def _done(
    exchange: Exchange,
    command: FromFills,
    source: Source,
    logins: Int64Array,
    ticket_ids: Int64Array,
    steps: Int64Array,
    profits: Int64Array,
) -> Done:
    """Takes the volume off the fills, tells it, and answers row by row."""
    total = exact_sum(steps)
    left = total
    for row in source.fills:
        taken = min(left, row["unallocated"])
        exchange.store.execute(
            "UPDATE fills SET unallocated = unallocated - ? WHERE deal_id = ?",
            (taken, row["deal_id"]),
        )
        left -= taken
    exchange.tell(
        Allocated,
        command_id=command.command_id,
        login=command.login,
        symbol=source.symbol,
        deal_ids=command.deal_ids,
        tickets=len(steps),
        steps=total,
        closing=isinstance(command, AllocateClose),
    )
    booked = Booked(
        logins=logins.astype("<i8").tobytes(),
        ticket_ids=ticket_ids.astype("<i8").tobytes(),
        profit_minor=profits.astype("<i8").tobytes(),
        unallocated_steps=source.unallocated - total,
    )
    return Done(command.command_id, booked=booked)
