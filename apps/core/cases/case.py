"""A case as an op sees it: inputs, options, and the names (never the values) that are expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Any

from apps.core.conversion import conversion
from apps.core.errors import InputError
from apps.core.ints import Int64Array, int64
from apps.core.money import digits_of, exact

Outputs = dict[str, Any]
PRIMARY = ""  # the output that an options key alone stands for

_TRUE = {"1", "true", "yes", "on"}


@dataclass(frozen=True, slots=True)
class Case:
    """inputs: as in the file; options: from an expected key, they win over the inputs;
    names: every key of the expected part, for outputs whose name carries a parameter."""

    inputs: Mapping[str, Any]
    options: Mapping[str, str] = field(default_factory=dict)
    names: frozenset[str] = frozenset()

    def __contains__(self, key: str) -> bool:
        return key in self.options or self.inputs.get(key) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """The option or input `key`."""
        if key in self.options:
            return self.options[key]
        value = self.inputs.get(key)
        return default if value is None else value

    def first(self, *keys: str, default: Any = None) -> Any:
        """The first of several names for one thing."""
        for key in keys:
            if key in self:
                return self.get(key)
        return default

    def number(self, *keys: str, default: Any = None) -> Fraction:
        """The exact number under the first of `keys`; InputError when there is none."""
        value = self.first(*keys, default=default)
        if value is None:
            raise InputError("missing_input", f"the case has no {' or '.join(keys)}")
        return number(value)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.get(key, default)
        return value.lower() in _TRUE if isinstance(value, str) else bool(value)

    def row(self, row: Mapping[str, Any]) -> Case:
        """The case with a row's keys on top of the shared ones."""
        return replace(self, inputs={**self.inputs, **row})

    def rows(self, *keys: str) -> Iterator[Case]:
        """One case for each row of the first list named; the case itself when there is none."""
        rows = self.first(*(keys or ("rows",)))
        if rows is None:
            yield self
            return
        for row in rows:
            yield self.row(row)

    def matching(self, pattern: str) -> Iterator[re.Match[str]]:
        """Matches of `pattern` among the whole expected names."""
        for name in sorted(self.names):
            match = re.fullmatch(pattern, name)
            if match:
                yield match

    @property
    def money_digits(self) -> int:
        """Digits of the account's currency: named outright, by its currency, or 2."""
        digits = self.first("money_digits", "account_digits", "currency_digits")
        if digits is not None:
            return int(digits)
        return digits_of(str(self.first("account_currency", "currency", default="USD")))


def number(value: Any) -> Fraction:
    """Exact: "1.25", "1/110.05", "5%", 3; a float by its shortest written form."""
    if isinstance(value, float):
        value = repr(value)
    if isinstance(value, str):
        text = value.strip().replace(",", "").replace("_", "")
        if text.endswith("%"):
            return number(text[:-1]) / 100
        if "/" in text:
            top, bottom = text.split("/", 1)
            return number(top) / number(bottom)
        value = text
    return exact(value)


def numbers(values: Iterable[Any]) -> list[Fraction]:
    return [number(value) for value in values]


def side_of(value: Any) -> int:
    """+1 for buy or long, −1 for sell or short."""
    text = str(value).lower()
    if text in {"buy", "long", "1", "+1", "b"}:
        return 1
    if text in {"sell", "short", "-1", "s"}:
        return -1
    raise InputError("bad_side", f"{value!r} is neither buy nor sell")


def as_integers(values: Iterable[Fraction]) -> tuple[Int64Array, int]:
    """The values as integers over one scale: (int64[n], scale)."""
    fractions = list(values)
    scale = 1
    for value in fractions:
        scale = lcm(scale, value.denominator)
    return int64([int(value * scale) for value in fractions]), scale


RATE_TABLES = ("rates", "fx", "quotes", "prices", "conversion", "fx_to_usd", "rates_to_usd")


def rate_between(case: Case, source: Any, target: Any) -> Fraction:
    """source → target by the case's table: {"EURUSD": price} or {"EUR": rate to the target}.

    RejectedError `missing_rate` when nothing in it converts them.
    """
    table = case.first(*RATE_TABLES, default={})
    if source is None or source == target:
        return Fraction(1)
    if source in table:
        return number(table[source])
    pairs = {
        (pair[:3], pair[-3:]): Decimal(str(price))
        for pair, price in table.items()
        if len(pair) in (6, 7)
    }
    return exact(conversion(str(source), str(target), pairs).rate)


def date_of(text: Any) -> date:
    return date.fromisoformat(str(text)[:10])


def decimals_of(value: Any) -> int:
    """Decimals written in a number: "1.10" → 2."""
    exponent = Decimal(str(value)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def options_of(key: str) -> tuple[str, dict[str, str]]:
    """("derived", {"convention": "margin"}) of "derived.convention=margin"; ("", …) without."""
    if "=" not in key:
        return key, {}
    prefix = ""
    head = key.split("=", 1)[0]
    if "." in head:
        prefix, key = key.split(".", 1)
    options = {}
    for part in re.split(r"\s*(?:&|;|,)\s*", key):
        name, _, value = part.partition("=")
        options[name.strip()] = value.strip()
    return prefix, options


def names_in(expected: Any) -> frozenset[str]:
    """Every key in the expected part, at any depth."""
    if isinstance(expected, Mapping):
        inner = [names_in(value) for value in expected.values()]
        return frozenset(expected).union(*inner)
    if isinstance(expected, list):
        return frozenset().union(*(names_in(value) for value in expected))
    return frozenset()
