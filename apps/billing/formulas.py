"""A charge's computation with its numbers filled in, the same text in every language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from apps.billing.compute import Item, Kind
from tenants.figures import Marks, money_text, percent_text

PLAIN = Marks()


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One fee on a document, whatever kind it is. `amount_minor` < 0 gives money back.

    `formula`: the computation with its numbers filled in, e.g. "9,300.00 × 2% × 31 ÷ 365"; empty
    where the document shows it in full (the performance fee).
    """

    kind: str
    amount_minor: int
    formula: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def lines_of(items: Iterable[Item], currency: str) -> list[ChargeLine]:
    """The investor's charges of a settlement. A rebate is the broker's, not the investor's."""
    return [
        ChargeLine(str(item.kind), item.amount_minor, _formula(item, currency))
        for item in items
        if item.kind is not Kind.REBATE
    ]


def _formula(item: Item, currency: str) -> str:
    """ "9,300.00 × 2% × 31 ÷ 365"; empty for the performance fee: the mark's steps explain it."""
    told = item.explain
    match item.kind:
        case Kind.MANAGEMENT:
            return _management(told, currency)
        case Kind.VOLUME:
            return f"{told['quantity']} × {told['amount']}{_rate_used(told)}"
        case Kind.JOINING | Kind.EXIT:
            return _once(told, currency)
        case Kind.MINIMUM:
            least, had = told["least_minor"], told["charged_minor"]
            return f"{_money(least, currency)} − {_money(had, currency)}"
        case _:
            return ""


def _management(told: dict[str, Any], currency: str) -> str:
    if not told.get("days"):
        return ""
    part = f"{told['counted_days']} ÷ {told['year_days']}"
    return f"{_money(told['average_minor'], currency)} × {_percent(told['rate'])} × {part}"


def _once(told: dict[str, Any], currency: str) -> str:
    parts = []
    if Decimal(told["rate"]):
        parts.append(f"{_percent(told['rate'])} × {_money(told['equity_minor'], currency)}")
    if Decimal(told["amount"]):
        parts.append(f"{told['amount']}{_rate_used(told)}")
    return " + ".join(parts)


def _rate_used(told: dict[str, Any]) -> str:
    """The conversion of the plan's currency, where there is one."""
    rate = Decimal(told.get("conversion_rate", "1"))
    return f" × {rate.normalize():f}" if rate != 1 else ""


def _money(minor: int, currency: str) -> str:
    return money_text(minor, currency, PLAIN)


def _percent(ratio: str) -> str:
    places = max(0, -int((Decimal(ratio) * 100).normalize().as_tuple().exponent))
    return percent_text(Decimal(ratio), places, PLAIN)
