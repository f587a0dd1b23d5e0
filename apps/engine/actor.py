"""One book, one actor: everything that happens to it passes its inbox, one at a time.

    decide → commit → answer → apply → send → (projector, frames)

Nothing is answered or sent before it is committed. When the outcome of a commit is unknown (the
database went away), the book is loaded again from the journal and the same stimuli are put to it
again: their ids make that harmless.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid5

import msgspec
import psycopg
import structlog
from psycopg_pool import PoolTimeout

from apps.core.book.codec import encode
from apps.core.book.commands import (
    AccountInfo,
    AccountTable,
    AdjustBalance,
    AnyStimulus,
    BustReported,
    Inputs,
    MasterMoney,
    QuoteIn,
)
from apps.core.book.records import Body, Record, advance, make_record, read_body, refusal
from apps.core.book.state import HOME, BookState
from apps.core.errors import ProrataError
from apps.engine.answers import Answers
from apps.engine.discovery import BookRow, currency_digits
from apps.engine.due import QUOTE_MAX_AGE_MS, Told, due
from apps.engine.guard import Guard
from apps.engine.journal import Journal, RepeatedCommandError, encode_state
from apps.engine.opening import catch_up, catch_up_at, first_rule, new_symbols, opening
from apps.engine.outside import OutsideTrades
from apps.engine.own import own_closing
from apps.engine.sender import Sender, settled_id
from apps.engine.session import now_ms
from apps.engine.timely import is_timely
from apps.engine.venues import Venues
from apps.servers.events import Fill

log = structlog.get_logger("engine.book")
MAX_BATCH = 64
SNAPSHOT_EVERY = 200
KEPT_COMMANDS = 4_096
EDITION = 1
"""Of the book's rules, by which it decides from now on (Inputs.edition)."""
_RETRY_S = 0.5
_HOLE_RETRY_S = 0.05
_MASTER_EVERY_S = 5.0
_DATABASE_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Item(msgspec.Struct, frozen=True):
    """A stimulus in the inbox; `request_id` when somebody waits for the answer."""

    stimulus: AnyStimulus
    request_id: str | None = None
    account: AccountInfo | None = None
    accounts: AccountTable | None = None


class BookActor:
    """`state`, `seq` and `epoch` are what is committed, except while `is_committing`."""

    def __init__(
        self,
        row: BookRow,
        epoch: int,
        journal: Journal,
        venues: Venues,
        answers: Answers,
        on_commit: Callable[[UUID, int], None],
    ) -> None:
        self.row = row
        self.epoch = epoch
        self.venues = venues
        self.session = venues.home
        self.state: BookState | None = None
        self.seq = 0
        self.ready = asyncio.Event()
        self.settled = asyncio.Event()
        self.settled.set()
        self.changes = 0
        self.inbox: asyncio.Queue[Item] = asyncio.Queue()
        self._head = b""
        self._journal = journal
        self._answers = answers
        self._on_commit = on_commit
        self.guard = Guard(self.tell, row.time_zone)
        self._sender: Sender | None = None
        self._recent: OrderedDict[UUID, tuple[int, Body]] = OrderedDict()
        self._master: MasterMoney | None = None
        self._told = Told()
        self._snapshot_seq = 0
        self._watch: asyncio.Task[None] | None = None

    @property
    def is_committing(self) -> bool:
        """Whether `state` holds what is not durable yet."""
        return not self.settled.is_set()

    # -- life

    async def run(self) -> None:
        """Until cancelled. Raises LeaseLostError when another engine owns the book."""
        self.ready.clear()
        await self.session.wait_until_usable()
        self._sender = Sender(self.venues, self.row.master_login, self.tell)
        try:
            await self._read_master()
            await self._load()
            self.ready.set()
            self._watch = asyncio.create_task(self._watch_master())
            while True:
                batch = [await self.inbox.get()]
                while len(batch) < MAX_BATCH and not self.inbox.empty():
                    batch.append(self.inbox.get_nowait())
                await self._process_surely(batch)
                self._maybe_snapshot()
        finally:
            if self._watch is not None:
                self._watch.cancel()
            self.session.forget_outside(self.row.master_login, self.row.book_no)
            self.session.forget_own(self.row.master_login)
            await self._sender.close()

    async def _watch_master(self) -> None:
        """What the master is worth, for rules that compare with it."""
        while True:
            await asyncio.sleep(_MASTER_EVERY_S)
            await self._read_master()
            self._tell_venues()

    async def _read_master(self) -> None:
        digits = currency_digits(self.row.currency)
        try:
            account = await self.session.server.account_state(self.row.master_login)
        except (ProrataError, TimeoutError) as error:
            log.warning("master_unread", book=str(self.row.book_id), error=repr(error))
            return
        self._master = MasterMoney(
            balance_minor=int(account.balance.scaleb(digits)),
            equity_minor=int(account.equity.scaleb(digits)),
            at_ms=now_ms(),
        )

    def tell(self, stimulus: AnyStimulus) -> None:
        """Put a report into the inbox."""
        self.inbox.put_nowait(Item(stimulus))

    def _take_own(self, fill: Fill) -> None:
        report = own_closing(self.state, fill, self.session.specs) if self.state else None
        if report is not None:
            self.tell(report)

    async def _load(self) -> None:
        """Snapshot + tail; open the book when it is new; take on what was left unsettled."""
        self.state, self.seq, self._head = await self._journal.load(self.row.book_id)
        self._snapshot_seq = self.seq
        self._recent.clear()
        self._told = Told()
        self._push_intents(maybe_sent=True)
        book_id = self.row.book_id
        if self.state is None:
            await self._process([Item(opening(self.row, self.session.cursor))])
        await self._process_told(new_symbols(book_id, self.state, self.seq, self.session.specs))
        await self._process_told(self.venues.define(self.state, HOME, self.seq))
        await self._process_told(first_rule(self.row, self.state))
        if self.state is not None:
            self._outside = OutsideTrades(self.tell)
            self.session.expect_outside(self.row.master_login, self.row.book_no, self._outside.take)
            self.session.expect_own(self.row.master_login, self._take_own)
            after_seq = self.state.server_seq
            self._answers.in_background(catch_up(book_id, self.session, after_seq, self._outside))
            for server_id, cursor in self.state.mirror.cursors.items():
                self._answers.in_background(catch_up_at(book_id, self.venues, server_id, cursor))
            self._tell_venues()
        self.changes += 1
        log.info("book_loaded", broker=self.row.broker, book=str(book_id), seq=self.seq)

    async def _process_told(self, told: AnyStimulus | None) -> None:
        if told is not None:
            await self._process([Item(told)])

    def define_venue(self, server_id: int) -> None:
        """Tell the book of another server before anything that needs it; nothing when it knows."""
        told = self.venues.define(self.state, server_id, self.seq)
        if told is not None:
            self.tell(told)

    def _tell_venues(self) -> None:
        for server_id in list(self.state.mirror.venues) if self.state is not None else ():
            if server_id != HOME:
                self.define_venue(server_id)

    # -- the hot path

    async def _process_surely(self, batch: list[Item]) -> None:
        while True:
            try:
                return await self._process(batch)
            except (*_DATABASE_ERRORS, RepeatedCommandError) as error:
                log.error("commit_unsure", book=str(self.row.book_id), error=repr(error))
                await self._reload()

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_S)
            try:
                return await self._load()
            except _DATABASE_ERRORS as error:
                log.error("database_still_lost", error=str(error))

    async def _process(self, batch: list[Item]) -> None:
        fresh = await self._without_repeats(batch)
        if len(fresh) == 1:
            await self._process_one(fresh[0])
        elif fresh:
            await self._process_many(fresh)

    async def _process_one(self, item: Item) -> None:
        """The usual case: commit first, then apply."""
        record, body = self._decide(item, self.state, self.seq, self._head)
        try:
            await self._journal.append(self.row.book_id, self.epoch, [record])
        except RepeatedCommandError:
            found = await self._journal.by_command(self.row.book_id, [record.command_id])
            first = found[record.command_id]
            self._answer_repeat(item, first.seq, read_body(first))
            return
        self.state = advance(self.state, body)
        self._committed([(item, record, body)])

    async def _process_many(self, batch: list[Item]) -> None:
        """One commit for several: applied as they are decided, shown only when committed."""
        state, seq, head = self.state, self.seq, self._head
        done: list[tuple[Item, Record, Body]] = []
        self.settled.clear()
        try:
            for item in batch:
                record, body = self._decide(item, state, seq, head)
                state = advance(state, body)
                seq, head = record.seq, record.digest
                done.append((item, record, body))
            await self._journal.append(
                self.row.book_id, self.epoch, [record for _, record, _ in done]
            )
        finally:
            self.settled.set()
        self.state = state
        self._committed(done)

    def _decide(
        self, item: Item, state: BookState | None, seq: int, head: bytes
    ) -> tuple[Record, Body]:
        return make_record(
            state,
            item.stimulus,
            self.inputs(item.account, item.accounts),
            seq=seq + 1,
            epoch=self.epoch,
            previous=head or bytes(32),
        )

    def inputs(
        self, account: AccountInfo | None = None, accounts: AccountTable | None = None
    ) -> Inputs:
        """What a decision may look at now."""
        return Inputs(
            now_ms=now_ms(),
            quotes=self.quotes(),
            account=account,
            accounts=accounts,
            edition=EDITION,
            master=self._master,
            quote_max_age_ms=QUOTE_MAX_AGE_MS,
            can_net=self.session.server.capabilities.close_by,
        )

    def quotes(self) -> dict[str, QuoteIn]:
        """The last quotes of everything this book knows."""
        return self.venues.quotes(self.state)

    def _committed(self, done: list[tuple[Item, Record, Body]]) -> None:
        self.seq, self._head = done[-1][1].seq, done[-1][1].digest
        for item, record, body in done:
            self._recent[record.command_id] = (record.seq, body)
            self._answers.committed(item.request_id, record.seq, body)
            if isinstance(body.stimulus, BustReported) and (refused := refusal(body)) is not None:
                log.error("bust_not_mirrored", code=refused.code, message=refused.message)
        while len(self._recent) > KEPT_COMMANDS:
            self._recent.popitem(last=False)
        self._push_intents(maybe_sent=False)
        self.changes += 1
        self._on_commit(self.row.book_id, self.seq)

    def _push_intents(self, *, maybe_sent: bool) -> None:
        if self._sender is not None and self.state is not None:
            self._sender.push(self.state.intents, maybe_sent=maybe_sent)

    # -- repeats

    async def _without_repeats(self, batch: list[Item]) -> list[Item]:
        """Answer what was executed before; what is left is new (a lone one may still not be)."""
        fresh: dict[UUID, Item] = {}
        for item in batch:
            command_id = item.stimulus.command_id
            if command_id in self._recent:
                seq, body = self._recent[command_id]
                self._answer_repeat(item, seq, body)
            elif command_id in fresh:
                self.inbox.put_nowait(item)  # its twin is being executed: answer it after
            elif is_timely(self.state, item.stimulus, self.session.quotes, self._tell_later):
                fresh[command_id] = item
        if len(fresh) > 1:
            found = await self._journal.by_command(self.row.book_id, list(fresh))
            for command_id, record in found.items():
                self._answer_repeat(fresh.pop(command_id), record.seq, read_body(record))
        return list(fresh.values())

    def _answer_repeat(self, item: Item, seq: int, body: Body) -> None:
        """The first outcome, or a refusal of other content under the same id."""
        if item.request_id is None:
            return  # the server repeats itself
        is_same = encode(body.stimulus) == encode(item.stimulus)
        if is_same and isinstance(body.stimulus, AdjustBalance) and refusal(body) is None:
            operation_id = body.stimulus.command_id
            if self.state is not None and operation_id in self.state.intents:
                self._answers.wait(operation_id, item.request_id)
            else:
                self._answers.in_background(self._answer_settled(operation_id, item))
            return
        self._answers.repeated(item.request_id, item.stimulus, seq, body, is_same=is_same)

    async def _answer_settled(self, operation_id: UUID, item: Item) -> None:
        found = await self._journal.by_command(self.row.book_id, [settled_id(operation_id)])
        for record in found.values():
            self._answers.repeated(
                item.request_id, item.stimulus, record.seq, read_body(record), is_same=True
            )

    def _tell_later(self, stimulus: AnyStimulus) -> None:
        asyncio.get_running_loop().call_later(_HOLE_RETRY_S, self.tell, stimulus)

    # -- triggers and snapshots

    def check_triggers(self) -> None:
        """Put into the inbox what time and prices ask for: triggers, stops, expiries."""
        if self.state is None:
            return
        at_ms = now_ms()
        self.guard.check(self.state, self.seq, at_ms)
        for block in self.state.blocks.values():
            kind = due(self.state, block, self.session.quotes.get(block.symbol), at_ms)
            if kind is None or not self._told.is_news(block.block_id, kind, at_ms):
                continue
            command_id = uuid5(block.block_id, f"{kind.__name__}:{at_ms}")
            self.tell(kind(command_id=command_id, block_id=block.block_id))

    def _maybe_snapshot(self) -> None:
        if self.state is None or self.seq - self._snapshot_seq < SNAPSHOT_EVERY:
            return
        self._snapshot_seq = self.seq
        data = encode_state(self.state)
        save = self._journal.save_snapshot(self.row.book_id, data, self.seq, self._head)
        self._answers.in_background(save)

    def status(self) -> dict[str, Any]:
        """For the status page and the logs."""
        return {"seq": self.seq, "epoch": self.epoch, "inbox": self.inbox.qsize()}
