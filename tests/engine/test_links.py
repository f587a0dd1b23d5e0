"""Joining, leaving and money while positions are open, through the running engine."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import Link, Master, TradingAccount, TradingServer
from apps.core.book.commands import (
    CloseAll,
    DetachTickets,
    JoinMode,
    LeaveMode,
    LinkAccount,
    SetLinkStatus,
    UnlinkAccount,
)
from apps.core.errors import ConflictError, NotFoundError, RejectedError
from apps.engine import client, links
from apps.servers.acks import Done
from apps.servers.commands import ClosePosition, CreateAccount
from apps.servers.registry import open_server
from tenants.door import broker_schema
from tests.engine.desk import Desk, committed, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database

OPEN = "SELECT id, open_steps FROM {ticket} WHERE account_id = %s AND open_steps > 0"
STATUS = "SELECT status FROM {link} WHERE account_id = %s ORDER BY id DESC LIMIT 1"


@dataclass
class Office:
    """The desk, and accounts that come and go."""

    desk: Desk

    def open_account(self, deposit: str = "50000", currency: str = "USD") -> int:
        """A new account on the server and in the records; invited to the book."""
        return committed(lambda: self._open(deposit, currency))

    def _open(self, deposit: str, currency: str) -> int:
        with broker_schema(self.desk.broker):
            server = TradingServer.objects.get(pk=self.desk.stage.server_id)
            command = CreateAccount(
                command_id=uuid.uuid4(),
                kind="sub",
                currency=currency,
                leverage=100,
                deposit=Decimal(deposit),
            )
            done = self.ask(server, lambda adapter: adapter.create_account(command))
            assert isinstance(done, Done)
            assert done.login is not None
            account = TradingAccount.objects.create(
                server=server, login=done.login, kind="sub", currency=currency, leverage=100
            )
            master = Master.objects.get(public_id=self.desk.stage.book_id)
            Link.objects.create(master=master, account=account)
            return account.pk

    def ask(self, server: TradingServer, question: Any) -> Any:
        async def run() -> Any:
            adapter = open_server(server.kind, {**server.config, "token": server.secret()})
            await adapter.connect()
            try:
                return await question(adapter)
            finally:
                await adapter.close()

        return asyncio.run(run())

    def close_own(self, account_id: int, ticket_id: int) -> Any:
        """The owner closes a ticket at its own terminal."""

        def close() -> Any:
            with broker_schema(self.desk.broker):
                account = TradingAccount.objects.select_related("server").get(pk=account_id)
                command = ClosePosition(
                    command_id=uuid.uuid4(), login=account.login, position_id=ticket_id
                )
                return self.ask(account.server, lambda adapter: adapter.close_position(command))

        return committed(close)

    def join(self, account_id: int, mode: JoinMode = "new_trades_only", token: str = "") -> Any:
        return self.desk.execute(
            LinkAccount(command_id=uuid.uuid4(), account_id=account_id, mode=mode, token=token)
        )

    def quote(self, account_id: int, mode: JoinMode) -> client.JoinQuote:
        command = LinkAccount(command_id=uuid.uuid4(), account_id=account_id, mode=mode)
        return client.preview_join(self.desk.broker, self.desk.stage.book_id, command)

    def leave(self, account_id: int, mode: LeaveMode) -> client.Outcome:
        return self.desk.execute(
            UnlinkAccount(command_id=uuid.uuid4(), account_id=account_id, mode=mode)
        )

    def detach(self, account_id: int, ids: list[int], mode: Any) -> client.Outcome:
        return self.desk.execute(
            DetachTickets(command_id=uuid.uuid4(), account_id=account_id, ticket_ids=ids, mode=mode)
        )

    def opened(self, lots: str = "8.00", **over: Any) -> uuid.UUID:
        block_id = self.desk.place(lots, **over)
        self.desk.wait_state(block_id, "open")
        return block_id

    def tickets(self, account_id: int) -> dict[int, int]:
        return dict(self.desk.sql(OPEN, account_id))

    def status(self, account_id: int, status: str) -> None:
        wait_for(lambda: self.desk.sql(STATUS, account_id) == [(status,)])

    def row(self, account_id: int, **wanted: Callable[[int], bool]) -> dict[str, int]:
        """The account's figures in a frame in which all that is `wanted` holds."""

        def shown() -> dict[str, int] | None:
            frame = client.latest_frame(self.desk.broker, self.desk.stage.book_id)
            row = frame.row(account_id) if frame is not None else None
            return row if row and all(is_so(row[k]) for k, is_so in wanted.items()) else None

        found = wait_for(shown)
        assert found is not None
        return found

    def end(self) -> None:
        """Flat, and everything as the server has it."""
        with_open = "SELECT 1 FROM {block} WHERE book_id = %s AND state IN ('open', 'sent')"
        if self.desk.sql(with_open, self.desk.stage.book_id):
            with contextlib.suppress(RejectedError):  # all of it is being closed already
                self.desk.execute(CloseAll(command_id=uuid.uuid4()))
            wait_for(lambda: not self.desk.sql(with_open, self.desk.stage.book_id))
        self.desk.verify()


@pytest.fixture
def office(desk: Desk) -> Iterator[Office]:
    office = Office(desk)
    yield office
    office.end()


def test_an_account_joins_open_blocks_proportionally_as_it_was_quoted(office: Office) -> None:
    block_id = office.opened("8.00")
    rows = "SELECT account_id, steps, open_price FROM {ticket} WHERE block_id = %s"
    before = office.desk.sql(rows, block_id)
    joiner = office.open_account("100000")
    quote = office.quote(joiner, "proportional_at_market")
    (row,) = [one for one in quote.rows if one.parent_id == block_id]
    assert row.steps > 0
    assert quote.spread_minor == sum(one.spread_minor for one in quote.rows) > 0
    assert 0 < quote.margin_minor < quote.free_minor
    outcome = office.join(joiner, "proportional_at_market", quote.token)
    (share,) = [one for one in outcome.result["shares"] if one["parent_id"] == str(block_id)]
    companion = uuid.UUID(share["block_id"])
    office.desk.wait_state(companion, "open")
    ((steps, parent, origin),) = office.desk.sql(
        "SELECT filled_steps, parent_id, origin FROM {block} WHERE id = %s", companion
    )
    assert (steps, parent, origin) == (row.steps, block_id, "join")
    assert list(office.tickets(joiner).values()) == [row.steps]
    assert office.desk.sql(rows, block_id) == before, "the others are not touched"
    office.status(joiner, "active")


def test_a_companion_is_closed_with_its_parent_in_the_same_part(office: Office) -> None:
    block_id = office.opened("8.00")
    joiner = office.open_account("400000")
    share = office.join(joiner, "proportional_at_market").result["shares"][-1]
    companion = uuid.UUID(share["block_id"])
    office.desk.wait_state(companion, "open")
    ((steps,),) = office.desk.sql("SELECT filled_steps FROM {block} WHERE id = %s", companion)
    office.desk.close(block_id, fraction=Decimal("0.5"))
    half = (int(steps) + 1) // 2
    left = "SELECT open_steps FROM {block} WHERE id = %s"
    wait_for(lambda: office.desk.sql(left, companion) == [(int(steps) - half,)])
    office.desk.close(block_id)
    office.desk.wait_state(block_id, "closed")
    office.desk.wait_state(companion, "closed")


def test_only_losing_takes_over_where_it_enters_better(office: Office) -> None:
    with office.desk.price("AUDUSD") as set_price:
        set_price(65_000, 65_010)
        wait_for(lambda: client.latest_quotes(office.desk.broker)["AUDUSD"].bid == "0.65000")
        buy = office.opened("2.00", symbol="AUDUSD")
        sell = office.opened("2.00", symbol="AUDUSD", side="sell")
        set_price(64_900, 64_910)
        wait_for(lambda: client.latest_quotes(office.desk.broker)["AUDUSD"].bid == "0.64900")
        joiner = office.open_account("100000")
        shares = office.join(joiner, "only_losing").result["shares"]
        found = {one["parent_id"]: one for one in shares}
        assert found[str(sell)]["code"] == "not_losing"
        assert found[str(sell)]["block_id"] is None
        assert Decimal(found[str(buy)]["lots"]) > 0
        office.desk.wait_state(uuid.UUID(found[str(buy)]["block_id"]), "open")
        set_price(64_900, 64_910)
        office.end()


def test_who_joins_when_flat_takes_part_from_the_first_flat_moment(office: Office) -> None:
    block_id = office.opened("3.00")
    joiner = office.open_account()
    assert office.join(joiner, "when_flat").result["status"] == "waiting"
    second = office.opened("1.00")
    assert not office.tickets(joiner)
    office.desk.close(block_id)
    office.desk.wait_state(block_id, "closed")
    office.status(joiner, "invited")
    office.desk.close(second)
    office.status(joiner, "active")
    office.opened("3.00")
    assert office.tickets(joiner)


def test_a_quote_that_no_longer_holds_is_refused(office: Office) -> None:
    office.opened("4.00")
    joiner = office.open_account()
    quote = office.quote(joiner, "proportional_at_market")
    office.opened("1.00", symbol="USDJPY")
    with pytest.raises(ConflictError) as caught:
        office.join(joiner, "proportional_at_market", quote.token)
    assert caught.value.code == "preview_accounts_changed"
    assert office.desk.sql(STATUS, joiner) == [("invited",)]


def test_who_keeps_its_tickets_takes_them_along_and_they_are_known_when_it_returns(
    office: Office,
) -> None:
    joiner = office.open_account("200000")
    office.join(joiner)
    block_id = office.opened("6.00")
    other = office.opened("2.00", symbol="USDJPY")
    mine = office.tickets(joiner)
    assert len(mine) == 2
    before = dict(office.desk.sql("SELECT id, open_steps FROM {block} WHERE state = 'open'"))
    assert office.leave(joiner, "keep_tickets").result["status"] == "detached"
    office.status(joiner, "detached")
    after = dict(office.desk.sql("SELECT id, open_steps FROM {block} WHERE state = 'open'"))
    assert sum(before.values()) - sum(after.values()) == sum(mine.values())
    released = "SELECT count(*) FROM {ticket} WHERE account_id = %s AND released_at IS NOT NULL"
    assert office.desk.sql(released, joiner) == [(2,)]
    for one in (block_id, other):
        office.desk.close(one)
        office.desk.wait_state(one, "closed")
    assert office.tickets(joiner) == mine, "still open, in its own care"
    first, second = sorted(mine)
    assert isinstance(office.close_own(joiner, first), Done)
    committed(lambda: _invite_again(office, joiner))
    office.join(joiner)
    held = office.row(joiner, margin=lambda m: m > 0)  # the ticket it kept counts
    assert held["floating"] + held["balance"] == held["equity"]
    assert isinstance(office.close_own(joiner, second), Done)
    office.row(joiner, margin=lambda m: m == 0)
    assert office.leave(joiner, "close_at_market").result["status"] == "detached"


def _invite_again(office: Office, account_id: int) -> None:
    with broker_schema(office.desk.broker):
        master = Master.objects.get(public_id=office.desk.stage.book_id)
        Link.objects.create(master=master, account_id=account_id)


def test_who_leaves_when_flat_closes_with_the_others_and_takes_no_new_share(
    office: Office,
) -> None:
    joiner = office.open_account("200000")
    office.join(joiner)
    block_id = office.opened("6.00")
    assert office.leave(joiner, "when_flat").result["status"] == "leaving"
    office.status(joiner, "close_only")
    second = office.opened("2.00")
    assert len(office.tickets(joiner)) == 1
    office.desk.close(block_id)
    office.status(joiner, "detached")
    office.desk.close(second)


def test_one_ticket_is_taken_out_and_nobody_else_is_touched(office: Office) -> None:
    joiner = office.open_account("200000")
    office.join(joiner)
    first, second = office.opened("6.00"), office.opened("5.00", symbol="USDJPY")
    rows = (
        "SELECT account_id, open_steps FROM {ticket} WHERE block_id IN (%s, %s)"
        " AND account_id <> %s ORDER BY id"
    )
    others = office.desk.sql(rows, first, second, joiner)
    (mine,) = office.desk.sql(
        "SELECT id FROM {ticket} WHERE account_id = %s AND block_id = %s", joiner, first
    )
    kept = office.detach(joiner, [mine[0]], "keep_tickets")
    assert (kept.result["status"], kept.result["tickets"]) == ("released", 1)
    (theirs,) = [one for one in office.tickets(joiner) if one != mine[0]]
    with pytest.raises(NotFoundError, match="no open ticket"):
        office.detach(joiner, [mine[0]], "close_at_market")
    assert office.detach(joiner, [theirs], "close_at_market").result["status"] == "closing"
    wait_for(lambda: list(office.tickets(joiner)) == [mine[0]])
    assert office.desk.sql(rows, first, second, joiner) == others
    balances = "SELECT balance_minor FROM {account_state} WHERE account_id = %s"
    ((balance,),) = office.desk.sql(balances, joiner)
    office.row(joiner, margin=lambda m: m > 0, balance=lambda b: b == balance)
    assert isinstance(office.close_own(joiner, mine[0]), Done)
    wait_for(lambda: not office.tickets(joiner))
    ((realised,),) = office.desk.sql("SELECT realised_minor FROM {ticket} WHERE id = %s", mine[0])
    office.row(joiner, balance=lambda b: b == balance + realised)
    with pytest.raises(RejectedError) as caught:
        office.detach(joiner, [], "close_at_market")
    assert caught.value.code == "nothing_to_detach"


def test_money_in_and_out_with_positions_open_is_bounded_by_what_is_free(office: Office) -> None:
    joiner = office.open_account("20000")
    office.join(joiner)
    office.opened("6.00")
    row = office.row(joiner, margin=lambda m: m > 0)
    free = min(row["balance"], row["equity"] - row["margin"])
    with pytest.raises(RejectedError) as caught:
        office.desk.adjust(joiner, "withdrawal", row["balance"])
    assert caught.value.code == "insufficient_funds"
    assert office.desk.adjust(joiner, "withdrawal", free // 2).result["status"] == "done"
    assert office.desk.adjust(joiner, "deposit", 5_000_000).result["status"] == "done"
    share = "SELECT a.steps FROM {allocation} a WHERE a.account_id = %s AND a.block_id = %s"
    second = office.opened("6.00")
    first_share = office.tickets(joiner)
    ((after,),) = office.desk.sql(share, joiner, second)
    assert after > min(first_share.values()), "weights follow the equity from the next block on"


def test_pause_and_resume_keep_what_is_open(office: Office) -> None:
    joiner = office.open_account("200000")
    office.join(joiner)
    block_id = office.opened("6.00")
    mine = office.tickets(joiner)

    def set_status(status: Any) -> None:
        office.desk.execute(
            SetLinkStatus(command_id=uuid.uuid4(), account_id=joiner, status=status)
        )

    set_status("paused")
    second = office.opened("2.00")
    assert office.tickets(joiner) == mine
    office.desk.close(block_id)
    wait_for(lambda: not office.tickets(joiner))
    set_status("active")
    office.opened("2.00")
    assert len(office.tickets(joiner)) == 1
    office.desk.close(second)


def test_many_join_in_one_record(office: Office) -> None:
    accounts = [office.open_account("5000") for _ in range(6)]
    book = office.desk.stage.book_id
    head = office.desk.sql("SELECT max(seq) FROM {journal} WHERE book_id = %s", book)[0][0]

    def join_all() -> client.Outcome:
        with broker_schema(office.desk.broker):
            master = Master.objects.get(public_id=book)
            return links.join_many(office.desk.broker, master, [], None, command_id=uuid.uuid4())

    outcome = committed(join_all)
    assert outcome.result["linked"] >= len(accounts)
    assert outcome.seq == head + 1
    for account in accounts:
        office.status(account, "active")
    office.opened("8.00")
    assert all(office.tickets(account) for account in accounts)
