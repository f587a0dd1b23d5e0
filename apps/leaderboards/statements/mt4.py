"""MetaTrader 4's "detailed statement" (HTML), read strictly into records.

The broker's title above the table may be in any language; MetaTrader's own labels are English in
every edition, and they are what the sections are known by. A row that is none of the known shapes
is an error, not something to skip: a track record with a hole is worse than none.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import cast

from apps.core.errors import InputError
from apps.leaderboards.statements.records import (
    BalanceLine,
    PendingOrder,
    Side,
    Statement,
    Totals,
    Trade,
)
from apps.leaderboards.statements.rows import Row, decode, read_rows
from apps.leaderboards.statements.values import moment, number, positive, where, whole

PENDING_KINDS = ("buy limit", "sell limit", "buy stop", "sell stop")
_SECTIONS = ("Closed Transactions:", "Open Trades:", "Working Orders:", "Summary:", "Details:")
_HEAD = re.compile(
    r"Account: (?P<account>\d+)\|Name: (?P<name>.*)\|Currency: (?P<currency>[A-Z]{3,8})"
    r"\|(?:Leverage: 1:(?P<leverage>\d+)\|)?(?P<printed>\d{4} \w+ \d+, \d\d:\d\d)"
)


def parse(data: bytes) -> Statement:
    """The statement in `data`. Raises InputError with a `statement_…` code naming the row."""
    generator, rows = read_rows(decode(data))
    if "MetaQuotes" not in generator or not rows:
        raise InputError(
            "statement_not_mt4", "This is not a statement of MetaTrader 4 (no MetaQuotes mark)."
        )
    account, name, currency, leverage, printed_at = _head(rows[0])
    sections = _split(rows[1:])
    closed = _Section(sections["Closed Transactions:"])
    opened = _Section(sections["Open Trades:"])
    working = [_working(row) for row in _body(sections["Working Orders:"])]
    return Statement(
        account=account,
        name=name,
        currency=currency,
        leverage=leverage,
        printed_at=printed_at,
        closed=tuple(closed.trades),
        cancelled=tuple(closed.cancelled),
        flows=tuple(closed.flows),
        open=tuple(opened.trades),
        working=tuple(working),
        closed_totals=closed.totals("Closed P/L:"),
        open_totals=opened.totals("Floating P/L:"),
        summary=_summary(sections["Summary:"] + sections["Details:"]),
    )


def _head(row: Row) -> tuple[str, str, str, int, datetime]:
    found = _HEAD.fullmatch("|".join(row.texts))
    if not found:
        raise InputError(
            "statement_head",
            f"{where(row)}: expected account, name, currency and date, found {row.texts}.",
            line=row.line,
        )
    try:
        printed_at = datetime.strptime(found["printed"], "%Y %B %d, %H:%M")
    except ValueError as error:
        raise InputError(
            "statement_head",
            f"{where(row)}: the date {found['printed']!r} is not one.",
            line=row.line,
        ) from error
    leverage = int(found["leverage"] or 0)
    return found["account"], found["name"], found["currency"], leverage, printed_at


def _split(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by section. Every section must be there, once, in MetaTrader's order."""
    sections: dict[str, list[Row]] = {}
    for row in rows:
        label = row.cells[0].text if len(row.cells) == 1 else ""
        if label in _SECTIONS:
            if label != _SECTIONS[len(sections)]:
                raise InputError(
                    "statement_section",
                    f"{where(row)}: {label!r} where {_SECTIONS[len(sections)]!r} belongs.",
                    line=row.line,
                )
            sections[label] = []
        elif sections:
            sections[next(reversed(sections))].append(row)
    if len(sections) < len(_SECTIONS):
        missing = _SECTIONS[len(sections)]
        raise InputError(
            "statement_truncated", f"The section {missing!r} is missing.", section=missing
        )
    return sections


def _body(rows: list[Row]) -> list[Row]:
    """A section's rows without its heading, its "No transactions" and its thin spacers."""
    return [
        row
        for row in rows
        if row.cells
        and row.cells[0].text != "Ticket"
        and not (len(row.cells) == 1 and row.cells[0].text in ("", "No transactions"))
    ]


class _Section:
    """Closed transactions, or open trades: rows of tickets and then the totals."""

    def __init__(self, rows: list[Row]) -> None:
        self.trades: list[Trade] = []
        self.cancelled: list[PendingOrder] = []
        self.flows: list[BalanceLine] = []
        self._sums: Row | None = None
        self._net: Row | None = None
        self._tickets: set[int] = set()
        for row in _body(rows):
            self._take(row)

    def _take(self, row: Row) -> None:
        if self._is_total(row):
            return
        if self._sums is not None or len(row.cells) < 5 or row.width != 14:
            raise _unknown(row)
        ticket = whole(row.cells[0].text, row, "Ticket")
        if ticket in self._tickets:
            raise InputError(
                "statement_ticket_twice", f"{where(row)}: it is there twice.", line=row.line
            )
        self._tickets.add(ticket)
        kind = row.cells[2].text.lower()
        if kind in ("buy", "sell") and len(row.cells) == 14:
            self.trades.append(_trade(row, ticket, cast(Side, kind)))
        elif kind in PENDING_KINDS and len(row.cells) == 11 and row.cells[10].text:
            self.cancelled.append(_cancelled(row, ticket, kind))
        elif kind in ("balance", "credit") and len(row.cells) == 5:
            self.flows.append(_flow(row, ticket, kind))
        else:
            raise _unknown(row)

    def _is_total(self, row: Row) -> bool:
        texts = row.texts
        if len(texts) == 5 and texts[0] == "" and row.cells[0].span == 10:
            self._sums = row
        elif self._sums is not None and len(texts) in (2, 3) and texts[-2].endswith("P/L:"):
            self._net = row
        else:
            return False
        return True

    def totals(self, label: str) -> Totals:
        """The totals rows. Raises InputError("statement_truncated") when they are not there."""
        if self._sums is None or self._net is None or self._net.texts[-2] != label:
            raise InputError("statement_truncated", f"The row {label!r} is missing.", section=label)
        names = ("Commission", "Taxes", "Swap", "Profit")
        commission, taxes, swap, profit = (
            number(text, self._sums, name)
            for name, text in zip(names, self._sums.texts[1:], strict=True)
        )
        net = number(self._net.texts[-1], self._net, label)
        return Totals(commission, taxes, swap, profit, net)


def _unknown(row: Row) -> InputError:
    return InputError(
        "statement_row_unknown",
        f"{where(row)}: not a row of a detailed statement: {row.texts}.",
        line=row.line,
    )


def _trade(row: Row, ticket: int, side: Side) -> Trade:
    text = row.texts
    opened_at = moment(text[1], row, "Open Time")
    closed_at = moment(text[8], row, "Close Time") if text[8] else None
    if closed_at is not None and closed_at < opened_at:
        raise InputError(
            "statement_time", f"{where(row)}: it closes before it opens.", line=row.line
        )
    return Trade(
        line=row.line,
        ticket=ticket,
        side=side,
        symbol=_symbol(row),
        lots=positive(text[3], row, "Size"),
        opened_at=opened_at,
        open_price=positive(text[5], row, "open Price"),
        stop_loss=number(text[6], row, "S / L"),
        take_profit=number(text[7], row, "T / P"),
        closed_at=closed_at,
        close_price=positive(text[9], row, "close Price"),
        commission=number(text[10], row, "Commission"),
        taxes=number(text[11], row, "Taxes"),
        swap=number(text[12], row, "Swap"),
        profit=number(text[13], row, "Profit"),
        note=row.cells[0].title,
    )


def _cancelled(row: Row, ticket: int, kind: str) -> PendingOrder:
    text = row.texts
    return PendingOrder(
        line=row.line,
        ticket=ticket,
        kind=kind,
        symbol=_symbol(row),
        lots=positive(text[3], row, "Size"),
        placed_at=moment(text[1], row, "Open Time"),
        price=positive(text[5], row, "Price"),
        stop_loss=number(text[6], row, "S / L"),
        take_profit=number(text[7], row, "T / P"),
        ended_at=moment(text[8], row, "Close Time"),
        market_price=number(text[9], row, "market Price"),
        outcome=text[10],
    )


def _working(row: Row) -> PendingOrder:
    text = row.texts
    kind = text[2].lower() if len(text) > 2 else ""
    if kind not in PENDING_KINDS or len(text) < 9:
        raise _unknown(row)
    return PendingOrder(
        line=row.line,
        ticket=whole(text[0], row, "Ticket"),
        kind=kind,
        symbol=_symbol(row),
        lots=positive(text[3], row, "Size"),
        placed_at=moment(text[1], row, "Open Time"),
        price=positive(text[5], row, "Price"),
        stop_loss=number(text[6], row, "S / L"),
        take_profit=number(text[7], row, "T / P"),
        market_price=number(text[8], row, "Market Price"),
    )


def _flow(row: Row, ticket: int, kind: str) -> BalanceLine:
    text = row.texts
    return BalanceLine(
        line=row.line,
        ticket=ticket,
        kind="credit" if kind == "credit" else "balance",
        at=moment(text[1], row, "Open Time"),
        comment=text[3],
        amount=number(text[4], row, "Profit"),
    )


def _symbol(row: Row) -> str:
    text = row.texts[4]
    if not re.fullmatch(r"[A-Za-z0-9#._\-+!&/]{1,32}", text):
        raise InputError(
            "statement_symbol", f"{where(row)}: {text!r} is not a symbol.", line=row.line
        )
    return text.upper()


def _summary(rows: list[Row]) -> dict[str, str]:
    """Label → printed text. A bare label ("Largest", "Average") names the two that follow."""
    values: dict[str, str] = {}
    for row in rows:
        prefix, label = "", ""
        for text in row.texts:
            if text.endswith(":"):
                label = f"{prefix} {text}".strip()
            elif label:
                if label in values:
                    raise InputError(
                        "statement_summary", f"{where(row)}: {label!r} twice.", line=row.line
                    )
                values[label], label = text, ""
            elif text in ("Largest", "Average", "Maximum", "Maximal"):
                prefix = text
            elif text:
                raise _unknown(row)
        if label:
            raise InputError(
                "statement_truncated", f"{where(row)}: {label!r} has no value.", line=row.line
            )
    return values


def decimal_of(statement: Statement, label: str) -> Decimal:
    """A summary value that is one number. Raises InputError("statement_summary")."""
    text = statement.summary.get(label)
    if text is None:
        raise InputError("statement_summary", f"The summary has no {label!r}.", label=label)
    return number(text, Row(0, ()), label)
