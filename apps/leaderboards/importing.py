"""Importing a statement as a master's track record: read, check, store once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Master, User
from apps.core.errors import ConflictError, InputError
from apps.leaderboards.models import TrackedFlow, TrackedTrade, TrackRecord
from apps.leaderboards.statements import mt4
from apps.leaderboards.statements.check import Line, compare, opening_balance
from apps.leaderboards.statements.prices import PriceCheck, check
from apps.leaderboards.statements.records import PendingOrder, Statement, Trade

_NO_MINOR_UNITS = frozenset({"JPY"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A statement, read and checked; nothing stored."""

    statement: Statement
    sha256: str
    figures: list[Line]
    prices: list[PriceCheck]

    @property
    def disagreements(self) -> list[str]:
        """What does not agree, a sentence each; empty for a sound file."""
        wrong = [
            f"{line.label} the file says {line.file}, its rows give {line.recomputed}"
            for line in self.figures
            if not line.agrees
        ]
        return wrong + [
            f"ticket {price.trade.ticket} (line {price.trade.line}): profit"
            f" {price.trade.profit}, its prices give {price.profit}"
            for price in self.prices
            if price.result == "differs"
        ]


def read(data: bytes) -> Reading:
    """Parse and check. Raises InputError with a `statement_…` code naming the row."""
    statement = mt4.parse(data)
    printed = mt4.decimal_of(statement, "Closed Trade P/L:")
    exponent = 0 if statement.currency in _NO_MINOR_UNITS else -2
    shown = printed.as_tuple().exponent
    unit = Decimal(1).scaleb(min(exponent, shown if isinstance(shown, int) else 0))
    return Reading(
        statement=statement,
        sha256=hashlib.sha256(data).hexdigest(),
        figures=compare(statement),
        prices=[check(trade, statement.currency, unit) for trade in statement.closed],
    )


def store(
    reading: Reading, master: Master, *, utc_offset_minutes: int = 0, actor: User | None = None
) -> tuple[TrackRecord, bool]:
    """The master's TrackRecord of this file and whether it is new. One transaction, audited.

    Raises InputError("statement_disagrees") when a figure or a recomputed profit does not agree,
    ConflictError: statement_of_another_master, statement_overlaps (a trade is known already).
    """
    if reading.disagreements:
        raise InputError(
            "statement_disagrees",
            f"The file does not agree with itself: {reading.disagreements[0]}.",
            disagreements=reading.disagreements,
        )
    with transaction.atomic():
        # The master's row is the lock: two imports at once must not both find nothing.
        Master.objects.select_for_update().get(pk=master.pk)
        known = TrackRecord.objects.filter(source_sha256=reading.sha256).first()
        if known is not None:
            return _same(known, master), False
        _refuse_overlap(reading.statement, master)
        record = _create(reading, master, utc_offset_minutes)
        audit(
            actor,
            "track_record.import",
            f"master:{master.public_id}",
            after={"record": str(record.public_id), "sha256": reading.sha256},
        )
    return record, True


def _same(known: TrackRecord, master: Master) -> TrackRecord:
    if known.master_id != master.pk:
        raise ConflictError(
            "statement_of_another_master", f"This file is the track record of {known.master}."
        )
    return known


def _refuse_overlap(statement: Statement, master: Master) -> None:
    same_account = TrackRecord.objects.filter(account=statement.account)
    other = same_account.exclude(master=master).select_related("master").first()
    if other is not None:
        raise ConflictError(
            "statement_of_another_master",
            f"Account {statement.account} is the track record of {other.master}.",
        )
    tickets = [trade.ticket for trade in statement.closed]
    twice = TrackedTrade.objects.filter(
        account=statement.account, ticket__in=tickets, state=TrackedTrade.State.CLOSED
    ).first()
    if twice is not None:
        raise ConflictError(
            "statement_overlaps",
            f"Ticket {twice.ticket} was imported already from another file of this account.",
            ticket=twice.ticket,
        )


def _create(reading: Reading, master: Master, utc_offset_minutes: int) -> TrackRecord:
    statement = reading.statement
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    record = TrackRecord.objects.create(
        master=master,
        source=TrackRecord.Source.MT4,
        source_sha256=reading.sha256,
        account=statement.account,
        currency=statement.currency,
        leverage=statement.leverage,
        utc_offset_minutes=utc_offset_minutes,
        printed_at=_utc(statement.printed_at, zone),
        opening_balance=opening_balance(statement),
        closing_balance=mt4.decimal_of(statement, "Balance:"),
        equity=mt4.decimal_of(statement, "Equity:"),
        figures_agreed=sum(bool(line.recomputed) for line in reading.figures),
        prices_agreed=sum(price.result == "agrees" for price in reading.prices),
    )
    checks = {price.trade.ticket: price for price in reading.prices}
    rows = [_trade_row(record, trade, zone, checks.get(trade.ticket)) for trade in statement.closed]
    rows += [_trade_row(record, trade, zone, None) for trade in statement.open]
    rows += [_order_row(record, order, zone) for order in statement.cancelled]
    TrackedTrade.objects.bulk_create(rows, batch_size=1000)
    TrackedFlow.objects.bulk_create(
        TrackedFlow(
            record=record,
            ticket=flow.ticket,
            kind=flow.kind,
            at=_utc(flow.at, zone),
            amount=flow.amount,
            comment=flow.comment[:120],
        )
        for flow in statement.flows
    )
    return record


def _trade_row(
    record: TrackRecord, trade: Trade, zone: timezone, price: PriceCheck | None
) -> TrackedTrade:
    state = TrackedTrade.State.CLOSED if trade.closed_at else TrackedTrade.State.OPEN
    return TrackedTrade(
        record=record,
        account=record.account,
        ticket=trade.ticket,
        state=state,
        kind=trade.side,
        symbol=trade.symbol,
        lots=trade.lots,
        opened_at=_utc(trade.opened_at, zone),
        closed_at=_utc(trade.closed_at, zone) if trade.closed_at else None,
        open_price=trade.open_price,
        close_price=trade.close_price,
        stop_loss=trade.stop_loss,
        take_profit=trade.take_profit,
        commission=trade.commission,
        taxes=trade.taxes,
        swap=trade.swap,
        profit=trade.profit,
        net=trade.net,
        note=trade.note[:120],
        price_check=price.result if price else "",
        recomputed_profit=price.profit if price else None,
    )


def _order_row(record: TrackRecord, order: PendingOrder, zone: timezone) -> TrackedTrade:
    return TrackedTrade(
        record=record,
        account=record.account,
        ticket=order.ticket,
        state=TrackedTrade.State.CANCELLED,
        kind=order.kind,
        symbol=order.symbol,
        lots=order.lots,
        opened_at=_utc(order.placed_at, zone),
        closed_at=_utc(order.ended_at, zone) if order.ended_at else None,
        open_price=order.price,
        close_price=order.market_price,
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        note=order.outcome[:120],
    )


def _utc(printed: datetime, zone: timezone) -> datetime:
    return printed.replace(tzinfo=zone).astimezone(UTC)
