"""Verifying a journal: the chain, every decision made again, every share and every cent re-added.

`Verifier.feed` takes the records of one book in order and raises CorruptionError at the first that
is wrong; its message names the record. Everything is derived from the records alone.
"""

from __future__ import annotations

import numpy as np

from apps.core.book import events as ev
from apps.core.book.codec import encode
from apps.core.book.decide import decide
from apps.core.book.records import GENESIS, Body, Record, advance, check_digest, read_body
from apps.core.book.state import BookState
from apps.core.errors import CorruptionError, ProrataError

_MOVES_MONEY = (
    ev.CloseFilled,
    ev.LegClosed,
    ev.BalanceSettled,
    ev.MemberLinked,
    ev.MembersLinked,
    ev.OwnTicketReduced,
    ev.TicketClosedByServer,
)


class Verifier:
    """Replays one book. After the last record `state` is the book, `head` the chain's digest."""

    def __init__(self) -> None:
        self.state: BookState | None = None
        self.head = GENESIS
        self.seq = 0
        self.epoch = 0
        self.counts: dict[str, int] = {}
        self.pnl_minor: dict[int, int] = {}
        self.flows_minor: dict[int, int] = {}
        self._opening_minor: dict[int, int] = {}

    def feed(self, record: Record) -> Body:
        """Check one record and step over it; its body."""
        if record.seq != self.seq + 1:
            raise _wrong(record, "seq_gap", f"comes after record {self.seq}")
        if record.epoch < self.epoch:
            raise _wrong(record, "epoch_back", f"has epoch {record.epoch} after {self.epoch}")
        check_digest(record, self.head)
        body = read_body(record)
        if body.stimulus.command_id != record.command_id:
            raise _wrong(record, "command_mismatch", "holds another command than its key says")
        self._decide_again(record, body)
        for event in body.events:
            self._check(record, event)
        self.state = advance(self.state, body)
        self._check_balances(record)
        self.seq, self.head, self.epoch = record.seq, record.digest, record.epoch
        return body

    def _decide_again(self, record: Record, body: Body) -> None:
        try:
            decision = decide(self.state, body.stimulus, body.inputs)
        except ProrataError as error:
            raise _wrong(record, "undecidable", f"cannot be decided again: {error}") from error
        if encode(decision.events) != encode(body.events):
            raise _wrong(
                record,
                "decision_mismatch",
                "holds events that do not follow from its own inputs: "
                + _difference(decision.events, body.events),
            )
        if encode(decision.result) != encode(body.result):
            raise _wrong(record, "result_mismatch", "holds an answer that does not follow")

    def _check(self, record: Record, event: ev.Event) -> None:
        """Sums that must hold whatever the rule says."""
        name = type(event).__name__
        self.counts[name] = self.counts.get(name, 0) + 1
        match event:
            case ev.BlockAllocated():
                if int(event.steps.sum()) != event.order_steps or (event.steps < 0).any():
                    raise _wrong(record, "allocation_sum", "allocates another volume than it sends")
            case ev.BlockFilled():
                if int(event.steps.sum()) != event.filled_steps:
                    raise _wrong(record, "fill_sum", "gives another volume than was filled")
            case ev.CloseFilled():
                if int(event.steps.sum()) != event.filled_steps:
                    raise _wrong(record, "close_sum", "closes another volume than was filled")
            case _:
                pass
        self._add_money(event)

    def _add_money(self, event: ev.Event) -> None:
        """What moves a balance, and what it was when its account joined."""
        match event:
            case ev.CloseFilled():
                accounts, pnl = event.account_ids.tolist(), event.pnl_minor.tolist()
                for account, amount in zip(accounts, pnl, strict=True):
                    self._add_pnl(account, amount)
            case ev.OwnTicketReduced():
                self._add_pnl(event.account_id, event.pnl_minor)
            case ev.TicketClosedByServer():
                self._add_pnl(event.account_id, event.pnl_minor)
            case ev.LegClosed():
                self._add_pnl(event.account_id, event.pnl_minor)
            case ev.BalanceSettled() if event.done:
                account = event.account_id
                self.flows_minor[account] = self.flows_minor.get(account, 0) + event.amount_minor
            case ev.MemberLinked():
                self._join(event.account.account_id, event.account.balance_minor)
            case ev.MembersLinked():
                table = event.accounts
                accounts, balances = table.account_ids.tolist(), table.balance_minor.tolist()
                for account, balance in zip(accounts, balances, strict=True):
                    self._join(account, balance)
            case _:
                pass

    def _add_pnl(self, account: int, amount: int) -> None:
        self.pnl_minor[account] = self.pnl_minor.get(account, 0) + amount

    def _join(self, account: int, balance: int) -> None:
        before = self.pnl_minor.get(account, 0) + self.flows_minor.get(account, 0)
        self._opening_minor[account] = balance - before

    def _check_balances(self, record: Record) -> None:
        """Opening balance + Σ P&L + Σ flows = balance, for whoever this record touched."""
        state = self.state
        if state is None or state.members.size == 0:
            return
        if not any(isinstance(e, _MOVES_MONEY) for e in read_body(record).events):
            return
        expected = [
            self._opening_minor[int(a)]
            + self.pnl_minor.get(int(a), 0)
            + self.flows_minor.get(int(a), 0)
            for a in state.members.account_ids
        ]
        wrong = np.flatnonzero(state.members.balance_minor != np.array(expected, dtype=np.int64))
        if wrong.size:
            account = int(state.members.account_ids[wrong[0]])
            raise _wrong(record, "balance_sum", f"leaves account {account} with a wrong balance")


def _difference(expected: list[ev.Event], found: list[ev.Event]) -> str:
    """The first event and field that differ, for the message."""
    for number, (left, right) in enumerate(zip(expected, found, strict=False)):
        if encode(left) == encode(right):
            continue
        if type(left) is not type(right):
            return f"event {number} is {type(right).__name__}, not {type(left).__name__}"
        for field in left.__struct_fields__:
            if encode(getattr(left, field)) != encode(getattr(right, field)):
                return f"event {number} ({type(left).__name__}), field {field}"
    return f"{len(found)} events, not {len(expected)}"


def _wrong(record: Record, code: str, what: str) -> CorruptionError:
    return CorruptionError(code, f"Record {record.seq} {what}.", seq=record.seq)
