"""The main job's questions, asked of the tables, the journal and the trading server."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Sum

from apps.accounts.models import Master, TradingAccount, TradingServer
from apps.allocation.models import AccountState, Allocation, Block, CashFlow, Deal, Ticket
from apps.core.errors import CorruptionError
from apps.demo.main_job_setup import Stage
from apps.demo.main_job_trade import Trades
from apps.engine.models import JournalRecord, ProjectionCursor
from apps.engine.verification import verify_book
from apps.servers.registry import open_server
from tenants.door import broker_schema

REST_WITHIN_S = 60.0


@dataclass(frozen=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    detail: str


def check_all(stage: Stage, trades: Trades, blocks: int) -> list[Check]:
    """Every check, once the book is at rest."""
    with broker_schema(stage.broker):
        checks = [_at_rest(stage, trades, blocks)]
        checks += [_blocks(stage, trades), _prices(stage), _balances(stage)]
        checks += [_nothing_lost(stage, trades)]
        server, login, subs = _server_of(stage)
        balances, orders = asyncio.run(_read_server(server, login))
        checks += [_server_balances(stage, subs, balances), _nothing_twice(stage, orders)]
    checks.append(_verified(stage))
    return checks


def _at_rest(stage: Stage, trades: Trades, blocks: int) -> Check:
    """As many blocks as asked for were opened, all are finished, everything is projected."""
    deadline_s = time.monotonic() + REST_WITHIN_S
    while True:
        head = JournalRecord.objects.filter(book_id=stage.book_id).order_by("-seq").first()
        cursor = ProjectionCursor.objects.filter(book_id=stage.book_id).first()
        unfinished = Block.objects.filter(
            book_id=stage.book_id, state__in=["pending", "sent", "open"]
        ).count()
        lag = (head.seq if head else 0) - (cursor.seq if cursor else 0)
        if (unfinished == 0 and lag == 0) or time.monotonic() > deadline_s:
            break
        time.sleep(0.2)
    return Check(
        "all blocks finished and projected",
        unfinished == 0 and lag == 0 and len(trades.opened) == blocks,
        f"{len(trades.opened)} of {blocks} opened and closed,"
        f" {len(trades.cancelled)} pending cancelled,"
        f" {unfinished} unfinished, {lag} records behind",
    )


def _blocks(stage: Stage, trades: Trades) -> Check:
    """Σ allocations = volume = filled = Σ tickets, and nothing is open, for every block.

    Only a block that was asked to be cancelled may have been filled in part.
    """
    blocks = {b.id: b for b in Block.objects.filter(book_id=stage.book_id)}
    shares = _sums(Allocation.objects.filter(block_id__in=blocks), "steps")
    tickets = _sums(Ticket.objects.filter(block_id__in=blocks), "steps")
    left = _sums(Ticket.objects.filter(block_id__in=blocks), "open_steps")
    wrong = [
        key
        for key, block in blocks.items()
        if block.state == "closed"
        and not (
            shares.get(key) == block.volume_steps
            and block.filled_steps == tickets.get(key, 0)
            and (block.filled_steps == block.volume_steps or key in trades.cut)
            and left.get(key) == block.open_steps == 0
        )
    ]
    missing = [key for key in trades.opened if key not in blocks]
    closed = sum(block.state == "closed" for block in blocks.values())
    return Check(
        "allocations add up to the volume of every block",
        not wrong and not missing and closed == len(trades.opened),
        f"{closed} blocks, {sum(shares.values()):,} steps, {len(wrong)} wrong",
    )


def _sums(rows: object, field: str) -> dict[uuid.UUID, int]:
    found = rows.values("block_id").annotate(total=Sum(field)).order_by()  # type: ignore[attr-defined]
    return {row["block_id"]: int(row["total"]) for row in found}


def _prices(stage: Stage) -> Check:
    """All tickets of a block opened at one price; all deals of a close were done at one price."""
    blocks = Block.objects.filter(book_id=stage.book_id).values("id")
    deals = Deal.objects.filter(block_id__in=blocks)
    groups = deals.values("block_id", "seq").annotate(prices=Count("price", distinct=True))
    uneven = sum(row["prices"] != 1 for row in groups.order_by())
    tickets = Ticket.objects.filter(block_id__in=blocks).values("block_id")
    uneven += sum(
        row["prices"] != 1
        for row in tickets.annotate(prices=Count("open_price", distinct=True)).order_by()
    )
    return Check("one price per block and per close", uneven == 0, f"{deals.count():,} deals")


def _balances(stage: Stage) -> Check:
    """Opening balance + every ticket's P&L + flows = balance, to the cent, for every account."""
    accounts = AccountState.objects.filter(book_id=stage.book_id)
    pnl = _by_account(Deal.objects.filter(account_id__in=stage.account_ids), "pnl_minor")
    tickets = _by_account(Ticket.objects.filter(account_id__in=stage.account_ids), "realised_minor")
    flows = _by_account(CashFlow.objects.filter(account_id__in=stage.account_ids), "amount_minor")
    wrong = [
        row.account_id
        for row in accounts
        if row.opening_balance_minor + pnl.get(row.account_id, 0) + flows.get(row.account_id, 0)
        != row.balance_minor
        or tickets.get(row.account_id, 0) != pnl.get(row.account_id, 0)
    ]
    return Check(
        "tickets' P&L re-added equals every balance",
        not wrong and len(accounts) == len(stage.account_ids),
        f"{len(accounts)} accounts, {len(wrong)} wrong",
    )


def _by_account(rows: object, field: str) -> dict[int, int]:
    found = rows.values("account_id").annotate(total=Sum(field)).order_by()  # type: ignore[attr-defined]
    return {row["account_id"]: int(row["total"]) for row in found}


def _server_balances(stage: Stage, subs: dict[int, int], balances: dict[int, int]) -> Check:
    """The trading server says the same balances."""
    rows = AccountState.objects.filter(book_id=stage.book_id)
    wrong = [
        row.account_id for row in rows if balances.get(subs[row.account_id]) != row.balance_minor
    ]
    return Check(
        "the trading server has the same balances",
        not wrong and bool(rows),
        f"{len(rows)} accounts, {len(wrong)} differ" + (f": {wrong[:3]}" if wrong else ""),
    )


def _nothing_lost(stage: Stage, trades: Trades) -> Check:
    """Every acknowledged command is in the journal, once, where the answer said."""
    ids = list(trades.acknowledged)
    rows = JournalRecord.objects.filter(book_id=stage.book_id, command_id__in=ids)
    found = {row["command_id"]: row["seq"] for row in rows.values("command_id", "seq")}
    ok = found == trades.acknowledged
    detail = f"{len(ids)} acknowledged, {len(found)} in the journal, {trades.unknown} asked again"
    return Check("nothing acknowledged was lost", ok, detail)


def _nothing_twice(stage: Stage, orders: Counter[str]) -> Check:
    """The server filled exactly the orders that the journal sent, each with its own volume."""
    blocks = Block.objects.filter(book_id=stage.book_id, filled_steps__gt=0)
    expected = {str(b.id): b.filled_steps for b in blocks}
    opened = {key: steps for key, steps in orders.items() if key in expected}
    closing = sum(steps for key, steps in orders.items() if key not in expected)
    total = sum(expected.values())
    return Check(
        "the server executed every order once",
        opened == expected and closing == total,
        f"{len(orders)} orders; opened {sum(opened.values()):,} of {total:,} steps,"
        f" closed {closing:,}",
    )


def _verified(stage: Stage) -> Check:
    """`manage.py verify` on this book."""
    try:
        report = verify_book(stage.broker, stage.book_id)
    except CorruptionError as error:
        return Check("verify", False, error.message)
    return Check(
        "verify: chain, every decision again, projections, server",
        report.server == "equal",
        f"{report.records} records in {report.seconds:.1f} s, server {report.server}",
    )


def _server_of(stage: Stage) -> tuple[TradingServer, int, dict[int, int]]:
    master = Master.objects.select_related("account__server").get(public_id=stage.book_id)
    subs = dict(TradingAccount.objects.filter(pk__in=stage.account_ids).values_list("pk", "login"))
    return master.account.server, master.account.login, subs


async def _read_server(
    row: TradingServer, master_login: int
) -> tuple[dict[int, int], Counter[str]]:
    """(login → balance in minor units, command id → steps filled of the master's orders)."""
    server = open_server(row.kind, {**row.config, "token": row.secret()})
    await server.connect()
    try:
        balances: dict[int, int] = {}
        after = 0
        while True:
            page = await server.accounts(after=after)
            for account in page.items:
                digits = 0 if account.currency == "JPY" else 2
                balances[account.login] = int(account.balance.scaleb(digits))
            if page.next is None:
                break
            after = int(page.next)
        orders: Counter[str] = Counter()
        since = "0"
        while True:
            deals = await server.deals(master_login, since=since)
            for deal in deals.items:
                if deal.kind == "fill" and deal.command_id:
                    orders[deal.command_id] += deal.steps
                elif deal.kind == "correction" and deal.steps:  # a bust closes what it opened
                    orders[f"reversal {deal.deal_id}"] += deal.steps
            if deals.next is None:
                return balances, orders
            since = deals.next
    finally:
        await server.close()


__all__ = ["Check", "check_all"]
