"""Joining, leaving and tickets in their owner's care, in the seeded world: a part of World."""

from __future__ import annotations

import random
from typing import Any, get_args
from uuid import UUID

import msgspec

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import vec
from apps.core.book.quoting import quote_join
from apps.core.book.records import Body
from apps.core.book.state import DETACHED, BookState
from apps.core.errors import ProrataError
from tests.core_book import people
from tests.core_book.elsewhere import ELSEWHERE
from tests.core_book.server import Server

CURRENCIES = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0}


class Coming:
    """Who comes and goes. The rest is World's."""

    rng: random.Random
    state: BookState | None
    deals: int
    now_ms: int
    mid: dict[str, int]
    server: Server
    prices: dict[UUID, int]
    elsewhere: int
    """Accounts up to this number live on the second server."""

    @property
    def book(self) -> BookState:
        raise NotImplementedError

    def new_id(self) -> UUID:
        raise NotImplementedError

    def tick(self) -> None:
        raise NotImplementedError

    def inputs(
        self, account: c.AccountInfo | None = None, accounts: c.AccountTable | None = None
    ) -> c.Inputs:
        raise NotImplementedError

    def tell(
        self,
        stimulus: c.AnyStimulus,
        account: c.AccountInfo | None = None,
        accounts: c.AccountTable | None = None,
    ) -> Body:
        raise NotImplementedError

    def new_deal(self) -> str:
        raise NotImplementedError

    def settle(self, limit: int = 500) -> None:
        raise NotImplementedError

    def start_links(self) -> None:
        self.kept: dict[int, c.OwnPosition] = {}
        """Open tickets in their account's own care."""
        self.kept_by: dict[int, int] = {}
        self.away: dict[int, int] = {}
        """Account → what it earned by its own tickets since it left."""
        self.prices: dict[UUID, int] = {}

    def keep(self, event: ev.TicketsReleased) -> None:
        assert event.open_points == self.prices[event.block_id]
        for ticket, steps in zip(event.ticket_ids.tolist(), event.steps.tolist(), strict=True):
            self.kept_by[ticket] = event.account_id
            self.kept[ticket] = c.OwnPosition(
                ticket_id=ticket,
                symbol=event.symbol,
                side=event.side,
                steps=steps,
                open_points=event.open_points,
            )

    def info(self, account_id: int) -> c.AccountInfo:
        """What the server says of an account: a new one, or one that was here before."""
        currency = self.rng.choice(list(CURRENCIES))
        balance = self.rng.randint(50_000, 50_000_000)
        at = self.state.index.get(account_id) if self.state else None
        if at is not None:
            currency = self.book.currencies[int(self.book.members.currency[at])]
            balance = self.server.balance[account_id]
        return c.AccountInfo(
            account_id=account_id,
            login=10_000 + account_id,
            currency=currency,
            currency_digits=CURRENCIES[currency],
            leverage=self.rng.choice([30, 100, 200]),
            balance_minor=balance,
            own_positions=[self.kept[t] for t, who in self.kept_by.items() if who == account_id],
            server_seq=self.deals,
            server_id=self.server_of(account_id),
        )

    def server_of(self, account_id: int) -> int:
        return ELSEWHERE if account_id <= self.elsewhere else 0

    def link(self, account_id: int, mode: c.JoinMode = "new_trades_only", **over: Any) -> Body:
        info = over.pop("info", None) or self.info(account_id)
        command = c.LinkAccount(command_id=self.new_id(), account_id=account_id, mode=mode, **over)
        body = self.tell(command, info)
        if body.result:
            self.server.balance[account_id] = info.balance_minor
            self.away.pop(account_id, None)
        return body

    def link_many(
        self,
        account_ids: list[int],
        mode: c.JoinMode = "new_trades_only",
        infos: list[c.AccountInfo] | None = None,
    ) -> Body:
        """All in one record."""
        infos = infos or [self.info(account_id) for account_id in account_ids]
        currencies = list(CURRENCIES)
        table = c.AccountTable(
            account_ids=vec(account_ids),
            logins=vec([one.login for one in infos]),
            currency=vec([currencies.index(one.currency) for one in infos]),
            leverage=vec([one.leverage for one in infos]),
            balance_minor=vec([one.balance_minor for one in infos]),
            holds=vec([len(one.own_positions) for one in infos]),
            currencies=currencies,
            currency_digits=list(CURRENCIES.values()),
            server_ids=vec([self.server_of(account_id) for account_id in account_ids]),
        )
        command = c.LinkAccounts(command_id=self.new_id(), account_ids=vec(account_ids), mode=mode)
        body = self.tell(command, accounts=table)
        for event in body.events:
            if isinstance(event, ev.MembersLinked):
                joined = event.accounts
                for account, balance in zip(
                    joined.account_ids.tolist(), joined.balance_minor.tolist(), strict=True
                ):
                    self.server.balance[account] = balance
                    self.away.pop(account, None)
        return body

    def close_own(self, ticket_id: int, steps: int) -> None:
        """The owner closes (part of) a ticket in its own care, wherever the account is now."""
        own, account = self.kept[ticket_id], self.kept_by[ticket_id]
        pnl = self.rng.randint(-5_000, 5_000)
        deal_id = self.new_deal()
        self.server.balance[account] += pnl
        self.server.tickets[ticket_id] -= steps
        if steps == own.steps:
            del self.kept[ticket_id], self.kept_by[ticket_id]
        else:
            self.kept[ticket_id] = msgspec.structs.replace(own, steps=own.steps - steps)
        if ticket_id not in self.book.own_tickets:
            self.away[account] = self.away.get(account, 0) + pnl
            return
        self.tell(
            c.OwnTicketClosed(
                command_id=self.new_id(),
                ticket_id=ticket_id,
                deal_id=deal_id,
                steps=steps,
                price_points=self.mid[own.symbol],
                pnl_minor=pnl,
                server_seq=self.deals,
                at_ms=self.now_ms,
            )
        )

    def join(self, account: int) -> None:
        """Somebody joins, in any mode, quoted or not; or several at once."""
        rng = self.rng
        mode = rng.choice(["new_trades_only", *get_args(c.JoinMode)])
        if rng.random() < 0.15:
            many = sorted(rng.sample(range(1, 20), 4))
            self.link_many(many, rng.choice(["new_trades_only", "when_flat"]))
            return
        members = self.book.members
        linked = set(members.account_ids[members.status != DETACHED].tolist())
        if rng.random() < 0.8:
            account = rng.choice([one for one in range(1, 25) if one not in linked] or [account])
        info, token = self.info(account), ""
        terms = people.some_terms(self) if rng.random() < 0.3 else None  # type: ignore[arg-type]
        if rng.random() < 0.4:
            asked = c.LinkAccount(
                command_id=UUID(int=0), account_id=account, mode=mode, terms=terms
            )
            try:
                token = quote_join(self.book, asked, self.inputs(info)).token
            except ProrataError:
                token = ""
            if rng.random() < 0.3:
                self.tick()
        self.link(account, mode, info=info, token=token, terms=terms)

    def part(self, account: int) -> None:
        """Somebody leaves in any mode, takes tickets out, or closes one that it has taken out."""
        rng = self.rng
        if rng.random() < 0.1:
            self.settle()
            self.tell(c.CloseAll(command_id=self.new_id()))
            return
        there = sorted(t for t in self.kept if self.server.tickets.get(t, 0) > 0)
        if there and rng.random() < 0.4:
            ticket = rng.choice(there)
            self.close_own(ticket, rng.randint(1, self.kept[ticket].steps))
            return
        if rng.random() < 0.5:
            mode = rng.choice(get_args(c.LeaveMode))
            self.tell(c.UnlinkAccount(command_id=self.new_id(), account_id=account, mode=mode))
            return
        at = self.book.index.get(account)
        mine = [
            ticket
            for block in self.book.blocks.values()
            if block.status == "open"
            for ticket in block.ticket_ids[(block.members == at) & (block.open_steps > 0)].tolist()
        ]
        chosen = rng.sample(mine, rng.randint(1, len(mine))) if mine and rng.random() < 0.7 else []
        self.tell(
            c.DetachTickets(
                command_id=self.new_id(),
                account_id=account,
                ticket_ids=chosen,
                mode=rng.choice(get_args(c.DetachMode)),
            )
        )
