"""A statement's own summary against what its rows say.

MetaTrader's conventions, each found again in real files: a trade's result is commission + taxes +
swap + profit; a result of zero counts as a profit trade; drawdown and series run over the balance
in order of closing; averages of series are rounded to whole numbers; percentages to two digits.

The opening balance is not printed: it is balance − closed P/L − deposits and withdrawals. So the
balance agrees by construction, and what tests it is the drawdown in percent, which depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby

from apps.core.errors import InputError
from apps.leaderboards.statements.mt4 import decimal_of
from apps.leaderboards.statements.records import Statement, Totals, Trade

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what the file prints and what the rows give. `recomputed` "" = not comparable."""

    label: str
    file: str
    recomputed: str
    note: str = ""

    @property
    def agrees(self) -> bool:
        return not self.recomputed or self.file == self.recomputed


def in_closing_order(trades: Sequence[Trade]) -> list[Trade]:
    """Closed trades by closing time, then ticket."""
    return sorted(
        (trade for trade in trades if trade.closed_at is not None),
        key=lambda trade: (trade.closed_at, trade.ticket),
    )


def opening_balance(statement: Statement) -> Decimal:
    """What was there before the first row: see the module. In the account's currency."""
    return (
        decimal_of(statement, "Balance:")
        - decimal_of(statement, "Closed Trade P/L:")
        - decimal_of(statement, "Deposit/Withdrawal:")
    )


def compare(statement: Statement) -> list[Line]:
    """Every figure of the summary that the rows determine, in the file's order."""
    start = opening_balance(statement)
    if start < 0:
        raise InputError(
            "statement_balance", f"The opening balance would be {start}.", opening=str(start)
        )
    lines = [
        *_section_lines("Closed", statement.closed, statement.closed_totals),
        *_section_lines("Open", statement.open, statement.open_totals),
        *_money_lines(statement, start),
    ]
    if "Total Trades:" in statement.summary:
        lines += _statistics_lines(statement, start)
    return lines


def _section_lines(name: str, trades: Sequence[Trade], totals: Totals) -> list[Line]:
    sums = {
        "commission": sum((trade.commission for trade in trades), ZERO),
        "taxes": sum((trade.taxes for trade in trades), ZERO),
        "swap": sum((trade.swap for trade in trades), ZERO),
        "profit": sum((trade.profit for trade in trades), ZERO),
        "P/L": sum((trade.net for trade in trades), ZERO),
    }
    printed = (totals.commission, totals.taxes, totals.swap, totals.profit, totals.net)
    return [
        Line(f"{name} trades: {column}", _like(file, file), _like(value, file))
        for (column, value), file in zip(sums.items(), printed, strict=True)
    ]


def _money_lines(statement: Statement, start: Decimal) -> list[Line]:
    closed = sum((trade.net for trade in statement.closed), ZERO)
    floating = sum((trade.net for trade in statement.open), ZERO)
    flows = sum((flow.amount for flow in statement.flows if flow.kind == "balance"), ZERO)
    credit = sum((flow.amount for flow in statement.flows if flow.kind == "credit"), ZERO)
    margin = decimal_of(statement, "Margin:")
    balance = start + flows + closed
    equity = balance + floating + decimal_of(statement, "Credit Facility:")
    expected = {
        "Deposit/Withdrawal:": flows,
        "Credit Facility:": credit if credit else decimal_of(statement, "Credit Facility:"),
        "Closed Trade P/L:": closed,
        "Floating P/L:": floating,
        "Balance:": balance,
        "Equity:": equity,
        "Free Margin:": equity - margin,
    }
    lines = []
    for label, value in expected.items():
        file = decimal_of(statement, label)
        note = f"opening balance {start}" if label == "Balance:" else ""
        lines.append(Line(label, _like(file, file), _like(value, file), note))
    return lines


def _statistics_lines(statement: Statement, start: Decimal) -> list[Line]:
    trades = in_closing_order(statement.closed)
    money = decimal_of(statement, "Total Net Profit:")

    def cash(value: Decimal) -> str:
        return _like(value, money)

    results = [trade.net for trade in trades]
    profits = [value for value in results if value >= 0]
    losses = [value for value in results if value < 0]
    won, lost = sum(profits, ZERO), -sum(losses, ZERO)
    count = len(results)
    figures = {
        "Gross Profit:": cash(won),
        "Gross Loss:": cash(lost),
        "Total Net Profit:": cash(won - lost),
        "Profit Factor:": _two(won / lost) if lost else "",
        "Expected Payoff:": _two((won - lost) / count) if count else "",
        "Total Trades:": str(count),
        "Short Positions (won %):": _share([t.net for t in trades if t.side == "sell"]),
        "Long Positions (won %):": _share([t.net for t in trades if t.side == "buy"]),
        "Profit Trades (% of total):": _of_total(len(profits), count),
        "Loss trades (% of total):": _of_total(len(losses), count),
        "Largest profit trade:": cash(max(profits, default=ZERO)),
        "Largest loss trade:": cash(min(losses, default=ZERO)),
        "Average profit trade:": cash(won / len(profits)) if profits else "",
        "Average loss trade:": cash(-lost / len(losses)) if losses else "",
    }
    figures |= _drawdowns(results, start, cash, moved=_flows_between(statement, trades))
    figures |= _series(results, cash)
    return [
        Line(label, _plain(statement.summary[label]), value, "" if value else "not comparable")
        for label, value in figures.items()
        if label in statement.summary
    ]


def _flows_between(statement: Statement, trades: Sequence[Trade]) -> bool:
    """Whether money moved after the first close: MetaTrader's drawdown over that is not known."""
    first = trades[0].closed_at if trades else None
    return first is not None and any(
        flow.kind == "balance" and flow.at > first for flow in statement.flows
    )


def _drawdowns(
    results: Sequence[Decimal], start: Decimal, cash: Callable[[Decimal], str], *, moved: bool
) -> dict[str, str]:
    labels = ("Absolute Drawdown:", "Maximal Drawdown:", "Relative Drawdown:")
    if moved:
        return dict.fromkeys(labels, "")
    balance = peak = lowest = start
    deepest, deepest_share = ZERO, ZERO
    steepest, steepest_share = ZERO, ZERO
    for result in results:
        balance += result
        peak, lowest = max(peak, balance), min(lowest, balance)
        fall = peak - balance
        share = fall / peak if peak else ZERO
        if fall > deepest:
            deepest, deepest_share = fall, share
        if share > steepest_share:
            steepest, steepest_share = fall, share
    return {
        "Absolute Drawdown:": cash(start - lowest),
        "Maximal Drawdown:": f"{cash(deepest)} ({_two(deepest_share * 100)}%)",
        "Relative Drawdown:": f"{_two(steepest_share * 100)}% ({cash(steepest)})",
    }


def _series(results: Sequence[Decimal], cash: Callable[[Decimal], str]) -> dict[str, str]:
    runs = [list(group) for _, group in groupby(results, key=lambda value: value >= 0)]
    figures: dict[str, str] = {}
    for word, sign, sense in (("win", "profit", 1), ("loss", "loss", -1)):
        mine = [(len(run), sum(run, ZERO)) for run in runs if (run[0] >= 0) == (sense > 0)]
        longest = max(mine, key=lambda run: run[0], default=(0, ZERO))
        greatest = max(mine, key=lambda run: run[1] * sense, default=(0, ZERO))
        plural = f"{word}s" if word == "win" else f"{word}es"
        figures[f"Maximum consecutive {plural} ($):"] = f"{longest[0]} ({cash(longest[1])})"
        figures[f"Maximal consecutive {sign} (count):"] = f"{cash(greatest[1])} ({greatest[0]})"
        mean = Decimal(sum(run[0] for run in mine)) / len(mine) if mine else ZERO
        figures[f"Average consecutive {plural}:"] = _half_up(mean, Decimal(1))
    return figures


def _share(results: Sequence[Decimal]) -> str:
    return _of_total(sum(value >= 0 for value in results), len(results), shown=len(results))


def _of_total(part: int, whole: int, *, shown: int | None = None) -> str:
    percent = Decimal(part) / whole * 100 if whole else ZERO
    return f"{part if shown is None else shown} ({_two(percent)}%)"


def _plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", "").replace(" ", "").replace("(", " (")


def _two(value: Decimal) -> str:
    return _half_up(value, Decimal("0.01"))


def _like(value: Decimal, printed: Decimal) -> str:
    """`value` with the digits of `printed`."""
    exponent = printed.as_tuple().exponent
    assert isinstance(exponent, int)
    return _half_up(value, Decimal(1).scaleb(exponent))


def _half_up(value: Decimal, unit: Decimal) -> str:
    rounded = value.quantize(unit, ROUND_HALF_UP)
    return str(abs(rounded) if rounded == 0 else rounded)
