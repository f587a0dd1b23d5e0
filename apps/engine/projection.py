"""Journal → rows for people. Synchronous, in chunks, the cursor moved in the same transaction.

Projecting a record twice is impossible: the cursor and the rows are committed together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, LiteralString
from uuid import UUID

import numpy as np
from psycopg import Connection
from psycopg.types.json import Jsonb

from apps.core.allocation import Reason
from apps.core.book import events as ev
from apps.core.book.codec import Vec
from apps.core.book.records import Record, read_body
from apps.core.book.terms import terms_as_json
from apps.engine import projection_legs, sql
from apps.engine import projection_risk as risk
from apps.engine import projection_sql as q
from apps.engine.instants import instant
from apps.engine.pgarray import register

CHUNK = 50
"""Records per transaction."""
_REASON_NAMES = [""] + [
    Reason(code).name.lower() if code in Reason._value2member_map_ else "" for code in range(1, 64)
]


def _summed(accounts: Vec, amounts: Vec) -> tuple[Vec, Vec]:
    """(each account once, ascending; the sum of its amounts)."""
    distinct, places = np.unique(accounts, return_inverse=True)
    sums = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(sums, places, amounts)
    return distinct, sums


class Projection:
    """For one broker on one connection of its own. `with_links`: also keep the status of links,
    which people change too (so a rebuild leaves them alone)."""

    def __init__(
        self, connection: Connection[Any], broker: str, *, with_links: bool = True
    ) -> None:
        register(connection)
        self._connection = connection
        self._broker = broker
        self.with_links = with_links

    def project(self, book_id: UUID, limit: int = CHUNK) -> int:
        """Project up to `limit` records of a book; how many there were."""
        with self._connection.transaction():
            self.run(sql.LOCK_PROJECTION, book=book_id)
            row = self.run(sql.READ_CURSOR, book=book_id).fetchone()
            after = row[0] if row else 0
            rows = self.run(sql.TAIL, book=book_id, after=after, limit=limit).fetchall()
            if not rows:
                return 0
            with self._connection.pipeline():
                for seq, epoch, at_ms, command_id, body, digest in rows:
                    record = Record(
                        seq=seq,
                        epoch=epoch,
                        at_ms=at_ms,
                        command_id=command_id,
                        body=bytes(body),
                        digest=bytes(digest),
                    )
                    self._record(book_id, record)
                self.run(sql.MOVE_CURSOR, book=book_id, seq=rows[-1][0])
        return len(rows)

    def catch_up(self, book_id: UUID) -> int:
        """Project all there is; how many records."""
        total = 0
        while count := self.project(book_id):
            total += count
        return total

    def rebuild(self, book_id: UUID) -> int:
        """Delete a book's rows and project its journal from the first record, at once."""
        with self._connection.transaction():
            self.run(sql.LOCK_PROJECTION, book=book_id)
            for statement in (*q.CLEAR, *risk.CLEAR):
                self.run(statement, book=book_id)
            return self.catch_up(book_id)

    def run(self, template: LiteralString, **parameters: Any) -> Any:
        return self._connection.execute(sql.statement(self._broker, template), parameters)

    def _record(self, book_id: UUID, record: Record) -> None:
        for event in read_body(record).events:
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, book_id, record, event)
            else:
                projection_legs.project(self.run, book_id, record, event)

    # -- one per kind of event

    def _linked(self, book: UUID, record: Record, event: ev.MemberLinked) -> None:
        account = event.account
        self.run(
            q.LINKED,
            account=account.account_id,
            book=book,
            currency=account.currency,
            balance=account.balance_minor,
            at=instant(record.at_ms),
            seq=record.seq,
        )
        if not event.waits:
            self.link_status(book, record, account.account_id, "active")

    def _many_linked(self, book: UUID, record: Record, event: ev.MembersLinked) -> None:
        table = event.accounts
        self.run(
            q.MANY_LINKED,
            accounts=table.account_ids,
            places=table.currency,
            balances=table.balance_minor,
            currencies=table.currencies,
            book=book,
            at=instant(record.at_ms),
            seq=record.seq,
        )
        if not event.waits:
            self._active(book, record, table.account_ids)

    def _activated(self, book: UUID, record: Record, event: ev.MembersActivated) -> None:
        self._active(book, record, event.account_ids)

    def _active(self, book: UUID, record: Record, account_ids: Vec) -> None:
        if self.with_links:
            at = instant(record.at_ms)
            self.run(q.MANY_LINK_STATUS, accounts=account_ids, book=book, at=at)

    def _released(self, book: UUID, record: Record, event: ev.TicketsReleased) -> None:
        at = instant(event.at_ms)
        self.run(q.RELEASED, tickets=event.ticket_ids, at=at, seq=record.seq)
        steps = int(event.steps.sum())
        self.run(q.RELEASED_BLOCK, block=event.block_id, steps=steps, seq=record.seq)

    def _own_reduced(self, book: UUID, record: Record, event: ev.OwnTicketReduced) -> None:
        self.run(
            q.OWN_REDUCED,
            ticket=event.ticket_id,
            account=event.account_id,
            steps=event.steps,
            points=event.price_points,
            pnl=event.pnl_minor,
            at=instant(event.at_ms),
            seq=record.seq,
        )

    def _detaching(self, book: UUID, record: Record, event: ev.MemberDetaching) -> None:
        self.link_status(book, record, event.account_id, "close_only")

    def _detached(self, book: UUID, record: Record, event: ev.MemberDetached) -> None:
        self.link_status(book, record, event.account_id, "detached")
        risk.limits_left(self, book, event.account_id)

    def link_status(self, book: UUID, record: Record, account: int, status: str) -> None:
        if self.with_links:
            self.run(
                q.LINK_STATUS, status=status, account=account, book=book, at=instant(record.at_ms)
            )

    def _placed(self, book: UUID, record: Record, event: ev.BlockPlaced) -> None:
        self.run(
            q.PLACED,
            block=event.block_id,
            book=book,
            symbol=event.symbol,
            side=1 if event.side == "buy" else -1,
            kind=event.kind,
            volume_step=event.volume_step,
            digits=event.digits,
            requested=event.requested_steps,
            points=event.price_points,
            sl=event.sl_points,
            tp=event.tp_points,
            limit=event.limit_points,
            trailing=event.trailing_points,
            step=event.trailing_step_points,
            expires=instant(event.expires_at_ms) if event.expires_at_ms is not None else None,
            rule=Jsonb(event.rule.as_dict()),
            origin=event.origin,
            parent=event.parent_id,
            at=instant(event.placed_at_ms),
            seq=record.seq,
        )

    def _amended(self, book: UUID, record: Record, event: ev.BlockAmended) -> None:
        self.run(
            q.AMENDED,
            block=event.block_id,
            requested=event.requested_steps,
            points=event.price_points,
            sl=event.sl_points,
            tp=event.tp_points,
            limit=event.limit_points,
            trailing=event.trailing_points,
            step=event.trailing_step_points,
            seq=record.seq,
        )

    def _trailed(self, book: UUID, record: Record, event: ev.StopTrailed) -> None:
        self.run(q.TRAILED, block=event.block_id, sl=event.sl_points, seq=record.seq)

    def _rule_set(self, book: UUID, record: Record, event: ev.RuleSet) -> None:
        if self.with_links:
            rule, defaults = event.rule.as_dict(), terms_as_json(event.defaults)
            self.run(q.RULE_SET, book=book, rule=Jsonb(rule), defaults=Jsonb(defaults))

    def _execution_set(self, book: UUID, record: Record, event: ev.ExecutionSet) -> None:
        if self.with_links:
            self.run(projection_legs.EXECUTION, book=book, mode=event.mode)

    def _terms_set(self, book: UUID, record: Record, event: ev.LinkTermsSet) -> None:
        if self.with_links:
            terms = Jsonb(terms_as_json(event.terms))
            self.run(q.TERMS_SET, book=book, account=event.account_id, terms=terms)

    def _status_set(self, book: UUID, record: Record, event: ev.LinkStatusSet) -> None:
        self.link_status(book, record, event.account_id, event.status)

    def _allocated(self, book: UUID, record: Record, event: ev.BlockAllocated) -> None:
        self.run(
            q.ALLOCATED_BLOCK,
            block=event.block_id,
            order_steps=event.order_steps,
            residual=event.residual_steps,
            first_ticket=event.first_ticket_id,
            seq=record.seq,
        )
        taking_part = (event.reasons < Reason.PAUSED) & (event.weights > 0)
        self.run(
            q.ALLOCATED,
            block=event.block_id,
            accounts=event.account_ids,
            weights=event.weights,
            steps=event.steps,
            reasons=event.reasons,
            quotas=event.quotas_e8,
            names=_REASON_NAMES,
            total=max(1, int(event.weights[taking_part].sum())),
        )

    def _filled(self, book: UUID, record: Record, event: ev.BlockFilled) -> None:
        common = {
            "block": event.block_id,
            "points": event.price_points,
            "at": instant(event.at_ms),
            "seq": record.seq,
        }
        house = event.house_points_steps
        self.run(q.FILLED_BLOCK, filled=event.filled_steps, house=house, **common)
        tickets = event.first_ticket_id + np.arange(event.steps.size, dtype=np.int64)
        self.run(q.FILLED, tickets=tickets, accounts=event.account_ids, steps=event.steps, **common)

    def _close_filled(self, book: UUID, record: Record, event: ev.CloseFilled) -> None:
        common = {
            "block": event.block_id,
            "points": event.price_points,
            "at": instant(event.at_ms),
            "seq": record.seq,
        }
        rows = {"tickets": event.ticket_ids, "steps": event.steps, "pnl": event.pnl_minor}
        self.run(
            q.CLOSED_PART_BLOCK,
            block=event.block_id,
            points=event.price_points,
            filled=event.filled_steps,
            house=event.house_points_steps,
            seq=record.seq,
        )
        self.run(q.CLOSED_PART_TICKETS, **common, **rows)
        rates = json.dumps({currency: str(rate) for currency, rate in event.rates.items()})
        self.run(q.CLOSED_PART_DEALS, accounts=event.account_ids, rates=rates, **common, **rows)
        accounts, pnl = _summed(event.account_ids, event.pnl_minor)
        self.run(q.REALISED, accounts=accounts, pnl=pnl, seq=record.seq)

    def _block_closed(self, book: UUID, record: Record, event: ev.BlockClosed) -> None:
        self.run(q.BLOCK_CLOSED, block=event.block_id, at=instant(event.at_ms), seq=record.seq)

    def _cancelled(self, book: UUID, record: Record, event: ev.BlockCancelled) -> None:
        self._off(record, event.block_id, "cancelled", event.code)

    def _rejected(self, book: UUID, record: Record, event: ev.BlockRejected) -> None:
        self._off(record, event.block_id, "rejected", event.code)

    def _off(self, record: Record, block_id: UUID, state: str, code: str) -> None:
        self.run(
            q.BLOCK_OFF,
            block=block_id,
            state=state,
            code=code[:60],
            at=instant(record.at_ms),
            seq=record.seq,
        )

    def _flow(self, book: UUID, record: Record, event: ev.BalanceSettled) -> None:
        if not event.done:
            return
        self.run(
            q.FLOW,
            operation=event.operation_id,
            account=event.account_id,
            kind=event.kind,
            amount=event.amount_minor,
            comment=event.comment[:120],
            at=instant(event.at_ms),
            seq=record.seq,
        )
        self.run(
            q.FLOW_BALANCE, account=event.account_id, amount=event.amount_minor, seq=record.seq
        )


_HANDLERS: dict[type[ev.Event], Callable[[Projection, UUID, Record, Any], None]] = {
    ev.MemberLinked: Projection._linked,
    ev.MemberDetaching: Projection._detaching,
    ev.MemberDetached: Projection._detached,
    ev.MembersLinked: Projection._many_linked,
    ev.MembersActivated: Projection._activated,
    ev.TicketsReleased: Projection._released,
    ev.OwnTicketReduced: Projection._own_reduced,
    ev.BlockPlaced: Projection._placed,
    ev.BlockAmended: Projection._amended,
    ev.StopTrailed: Projection._trailed,
    ev.RuleSet: Projection._rule_set,
    ev.ExecutionSet: Projection._execution_set,
    ev.LinkTermsSet: Projection._terms_set,
    ev.LinkStatusSet: Projection._status_set,
    ev.BlockAllocated: Projection._allocated,
    ev.BlockFilled: Projection._filled,
    ev.CloseFilled: Projection._close_filled,
    ev.BlockClosed: Projection._block_closed,
    ev.BlockCancelled: Projection._cancelled,
    ev.BlockRejected: Projection._rejected,
    ev.BalanceSettled: Projection._flow,
    **risk.HANDLERS,
}
