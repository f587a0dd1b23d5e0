#!/usr/bin/env python3
"""Verify the exported journal of one book: python3 verify_journal.py FILE

One file, Python 3.11 or newer, the standard library alone, nothing of Prorata: an auditor can read
all of it. It is longer than a file of ours may be for that reason.

Every record is checked against its digest and its predecessor, then decided again from what it
says was asked, told and quoted, and from the records before it: every lot (caps, minimum, largest
remainder with carry), every share of a fill and of a close, every P&L, every balance. The first
record that is wrong is named. Exit status: 0 right, 1 wrong, 2 not a readable export, 3 a record
uses what this file cannot re-derive (named; what comes before it is right). docs/auditing.md
describes the format, and what a journal alone cannot prove.

To teach it something new: a stimulus T is derived by `Book._on_T`, an event E kept by
`Book._apply_E`; a new field with a default goes into UNUSED, a method into METHODS.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal
from fractions import Fraction
from itertools import accumulate
from math import gcd, lcm
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

ACTIVE, DETACHING, DETACHED, PAUSED, CLOSING_ONLY = 0, 1, 2, 3, 4
STATUS_OF = {"active": ACTIVE, "paused": PAUSED, "close_only": CLOSING_ONLY}
CARRY_LIMIT, CARRY_GRID = 1 << 40, 1 << 20
ALLOCATED, RAISED_TO_MIN, MANUAL, REDIVIDED = 0, 1, 2, 3
CAP_ACCOUNT, CAP_OPEN_LOTS, CAP_SYMBOL, CAP_LEVERAGE, CAP_MARGIN, CAP_ORDER = 10, 11, 12, 13, 14, 15
CAP_BELOW_MIN, BELOW_MIN, ROUNDED_TO_ZERO = 19, 20, 21
TAKES_NO_PART = {PAUSED: 30, DETACHED: 31, DETACHING: 32, CLOSING_ONLY: 32}
NOT_ALLOWED, NO_EQUITY, NO_PARAMETER, NO_RATE = 33, 34, 35, 37
NO_CAP, LOT_SCALE, PARAMETER_SCALE, COST_SCALE, DAY_MS = (
    (1 << 62) - 1,
    10**8,
    10**6,
    10**6,
    86_400_000,
)
WEEK_MINUTES, KEPT_ENDED, OPENS_WITHIN_MS = 7 * 24 * 60, 256, 60_000
# What each method weighs or multiplies by: money, the link's own number, the link's own lots.
METHODS = {
    "equity": ("equity", ""), "balance": ("balance", ""), "equal": ("", ""),
    "percent": ("", "percent"), "lot_weights": ("", "lots"), "lot_fixed": ("", "lots"),
    "equity_percent_share": ("equity", "percent"), "ratio": ("", "ratio"),
    "ratio_equity": ("equity", "ratio"), "ratio_balance": ("balance", "ratio"),
    "equity_percent": ("equity", "percent"), "risk_percent": ("equity", "percent"),
}  # fmt: skip
CONSERVING = {"balance", "equity", "equal", "percent", "lot_weights", "equity_percent_share"}
DIVIDING = ("balance", "equity", "equal", "lot_weights", "equity_percent_share")
PEOPLE = {"place_block", "amend_block", "close_block", "close_all", "cancel_block", "cancel_all",
          "close_by", "reverse_block",
          "link_account", "link_accounts", "unlink_account", "adjust_balance", "set_rule",
          "set_link_terms", "set_link_status"}  # fmt: skip
DEFAULT_RULE = {"method": "equity", "residual_policy": "largest_remainder", "below_min": "skip",
                "cap_policy": "clip", "rounding": "down", "manual_policy": "replace",
                "carry_forward": True, "overflow_account_id": None, "custom": ""}  # fmt: skip
UNUSED: dict[str, Any] = {
    "sl_points": None, "tp_points": None, "expires_at_ms": None, "origin": "", "reason": "",
    "unit_cost_scale": 1, "master_money_minor": None, "round_robin_after": None,
    "parent_id": None, "link_status_set.party": "manager", "waits": False, "equity_minor": None,
    "member_linked.mode": "new_trades_only",
    "member_detaching.mode": "close_at_market", "reference_points": 0}  # fmt: skip
"""Fields that older records lack, or that a newer book has and did not use: value when absent
(else an empty list)."""
KNOWN = {
    "order": "command_id symbol side volume_lots kind price rule manual_lots stop_loss take_profit"
             " expiry expires_at_ms token comment placed_by type limit_price trailing_distance"
             " trailing_step",
    "order kind": "market limit stop stop_limit",
    "rule": " ".join(DEFAULT_RULE),
    "residual policy": "largest_remainder largest_weight_first round_robin overflow_account",
    "below minimum": "skip skip_redistribute bump_to_min",
    "cap policy": "clip clip_redistribute",
    "terms": "parameter lots max_order_lots max_open_lots max_symbol_lots symbols max_leverage",
    "link status": "active paused close_only",
    "margin mode": "fx cfd",
}  # fmt: skip
"""What may be used, by name; anything else is beyond this file."""
Event = dict[str, Any]
Ints = list[int]


class WrongError(Exception):
    """A record does not follow from the records before it."""


class BeyondError(Exception):
    """A record uses what this verifier cannot re-derive: neither right nor wrong."""


class RefusalError(Exception):
    """What was asked or told cannot be done: the book refuses it and nothing changes."""


class Anything:
    """Equal to all: words for people, which nothing follows from."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def check_known(what: str, *names: str) -> None:
    """BeyondError that names the first of `names` that this file has not been taught."""
    for name in names:
        if name not in KNOWN[what].split():
            raise BeyondError(f"uses the {what} {name!r}")


def check_rule(rule: dict[str, Any]) -> None:
    check_known("rule", *(name for name, value in rule.items() if value))
    check_known("residual policy", rule["residual_policy"])
    check_known("below minimum", rule["below_min"])
    check_known("cap policy", rule["cap_policy"])


# --- bytes: msgpack, packed vectors, the chain ---------------------------------------------------


class Reader:
    """Msgpack, as far as the journal uses it. Binary values are packed vectors of integers,
    unless `raw`."""

    def __init__(self, data: bytes, *, raw: bool = False) -> None:
        self._data, self._at, self._raw = data, 0, raw

    def whole(self) -> Any:
        value = self.value()
        if self._at != len(self._data):
            raise ValueError("bytes after the end")
        return value

    def _take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise ValueError("torn end")
        return self._data[self._at - count : self._at]

    def _uint(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def value(self) -> Any:
        tag = self._uint(1)
        if tag <= 0x7F or tag >= 0xE0:
            return tag if tag <= 0x7F else tag - 0x100
        if tag <= 0x8F:
            return self._map(tag & 0x0F)
        if tag <= 0x9F:
            return [self.value() for _ in range(tag & 0x0F)]
        if tag <= 0xBF:
            return self._take(tag & 0x1F).decode()
        if 0xCC <= tag <= 0xD3:
            width = 1 << (tag & 3)
            return int.from_bytes(self._take(width), "big", signed=tag >= 0xD0)
        if tag == 0xCB:
            return struct.unpack(">d", self._take(8))[0]
        if tag in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[tag]
        return self._long(tag)

    def _long(self, tag: int) -> Any:
        if 0xC4 <= tag <= 0xC6:
            data = self._take(self._uint(1 << (tag - 0xC4)))
            return data if self._raw else vector(data)
        if 0xD9 <= tag <= 0xDB:
            return self._take(self._uint(1 << (tag - 0xD9))).decode()
        if tag in (0xDC, 0xDD):
            return [self.value() for _ in range(self._uint(2 if tag == 0xDC else 4))]
        if tag in (0xDE, 0xDF):
            return self._map(self._uint(2 if tag == 0xDE else 4))
        raise ValueError(f"unknown msgpack tag {tag:#x}")

    def _map(self, size: int) -> dict[Any, Any]:
        return {self.value(): self.value() for _ in range(size)}


def vector(data: bytes) -> Ints:
    """A byte of width (1, 2, 4, 8), then little-endian signed integers of that width.

    Or 16: offsets from the least value, and 17: the first value (8 bytes), then the differences
    between neighbours in form 16 (`docs/auditing.md`).
    """
    form = data[0] if data else 0
    if form == 16:
        return offsets_from_least(data)
    if form == 17:
        (value,) = struct.unpack_from("<q", data, 1)
        return list(accumulate(offsets_from_least(data[9:]), initial=value))
    code = {1: "b", 2: "h", 4: "i", 8: "q"}.get(data[0] if data else 0)
    if code is None or (len(data) - 1) % data[0]:
        raise ValueError("not a packed vector")
    return list(struct.unpack(f"<{(len(data) - 1) // data[0]}{code}", data[1:]))


def offsets_from_least(data: bytes) -> Ints:
    """16, width w (1 byte), count n (4), least value (8), exceptions e (4); n offsets; exceptions.

    The low w bytes of the offsets: w is cut into 8, 4, 2, 1, and for each part, the lowest first,
    the n parts stand one after the other. Then e positions (4 each) and e whole offsets (8 each).
    """
    form, width, count, least, wide = struct.unpack_from("<BBIqI", data)
    at = struct.calcsize("<BBIqI")
    if form != 16 or width > 8 or len(data) != at + width * count + 12 * wide:
        raise ValueError("not a packed vector")
    values, shift = [least] * count, 0
    for size, code in ((8, "Q"), (4, "I"), (2, "H"), (1, "B")):
        if width & size:
            for place, part in enumerate(struct.unpack_from(f"<{count}{code}", data, at)):
                values[place] += part << shift
            at, shift = at + size * count, shift + 8 * size
    places = struct.unpack_from(f"<{wide}I", data, at)
    for place, offset in zip(
        places, struct.unpack_from(f"<{wide}Q", data, at + 4 * wide), strict=True
    ):
        values[place] = least + offset
    return values


def digest_of(previous: bytes, row: dict[str, Any], body: bytes) -> bytes:
    """SHA-256(previous ‖ seq ‖ epoch ‖ at_ms, 8 bytes big-endian each ‖ command id ‖ body)."""
    head = b"".join(int(row[name]).to_bytes(8, "big") for name in ("seq", "epoch", "at_ms"))
    return hashlib.sha256(previous + head + UUID(row["command_id"]).bytes + body).digest()


# --- arithmetic ----------------------------------------------------------------------------------


def half_up(value: Fraction) -> int:
    """To the nearest integer, halves away from zero."""
    size = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return -size if value < 0 else size


def ten(power: int) -> Fraction:
    size: int = 10 ** abs(power)
    return Fraction(size) if power >= 0 else Fraction(1, size)


def serve(scores: Ints, unit: int, weights: Ints, ids: Ints, volume: int) -> Ints:
    """The `volume` largest of the units score − 0, − 1, − 2 … (scores over `unit`).

    Ties to the larger fraction, then the larger weight, then the lower id.
    """
    floors = [score // unit for score in scores]

    def above(level: int) -> int:
        return sum(floor - level for floor in floors if floor > level)

    low, high = min(floors) - volume - 1, max(floors)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if above(middle) <= volume else (middle, high)
    shares = [max(0, floor - high) for floor in floors]
    order = sorted(
        (at for at, floor in enumerate(floors) if floor >= high),
        key=lambda at: (-(scores[at] % unit), -weights[at], ids[at]),
    )
    for at in order[: volume - sum(shares)]:
        shares[at] += 1
    return shares


def apportion(targets: Ints, given: Ints, total: int, ids: Ints) -> Ints:
    """Hamilton with memory: what brings Σ given up to `total`, by F·a/A − g."""
    whole, new = sum(targets), total - sum(given)
    if total > whole:
        raise RefusalError("fill_exceeds_block")
    if new <= 0:
        return [0] * len(targets)
    scores = [t * total - g * whole for t, g in zip(targets, given, strict=True)]
    return serve(scores, whole, targets, ids, new)


def over(numerators: Ints, old: int, new: int) -> Ints:
    """Carries over another denominator, half up where it does not divide."""
    return [(2 * value * new + old) // (2 * old) for value in numerators]


Carry = tuple[Ints, int]


def largest_remainder(
    weights: Ints, ids: Ints, volume: int, carry: Carry | None
) -> tuple[Ints, Carry | None]:
    """Divide `volume` by `weights`, with what earlier blocks owe; the new carry."""
    common = gcd(*weights)
    weights = [weight // common for weight in weights]
    total = sum(weights)
    if carry is None:
        return serve([volume * w for w in weights], total, weights, ids, volume), None
    unit = lcm(carry[1], total)
    is_exact = unit <= CARRY_LIMIT
    if not is_exact:
        carry = over(*carry, CARRY_GRID), CARRY_GRID
        unit = lcm(CARRY_GRID, total)
    scores = [
        volume * w * (unit // total) + owed * (unit // carry[1])
        for w, owed in zip(weights, carry[0], strict=True)
    ]
    shares = serve(scores, unit, weights, ids, volume)
    left = [score - share * unit for score, share in zip(scores, shares, strict=True)]
    return shares, (left, unit) if is_exact else (over(left, unit, CARRY_GRID), CARRY_GRID)


# --- one allocation ------------------------------------------------------------------------------


class Allocation:
    """One block divided: participation → shares → by hand → redistribution → caps → minimum lot.

    Of a conserving method `weights` divide `volume`; of the others `quotas` are what each asks for.
    """

    def __init__(self, rule: dict[str, Any], ids: Ints) -> None:
        self.rule, self.ids = rule, ids
        self.volume = 0
        self.weights: Ints = []
        self.reasons: Ints = []
        self.caps: Ints = []
        self.cap_reasons: Ints = []
        self.minimum = 1
        self.carry: Carry | None = None
        self.quotas: list[Fraction] = [Fraction(0)] * len(ids)
        self.by_hand: dict[int, int] = {}
        """Place → steps set by hand, of those who take part."""

    def divide(self, free: set[int], volume: int) -> tuple[Ints, Carry | None]:
        """`volume` among the places in `free` by the rule's residual policy."""
        steps, places = [0] * len(self.ids), sorted(free)
        if not places:
            return steps, self.carry
        weights, ids = [self.weights[at] for at in places], [self.ids[at] for at in places]
        carry = self.carry
        if self.rule["residual_policy"] == "largest_remainder":
            own = None
            if self.rule["carry_forward"]:
                whole = carry or ([0] * len(self.ids), 1)
                own = [whole[0][at] for at in places], whole[1]
            shares, left = largest_remainder(weights, ids, volume, own)
            if left is not None:
                merged = over(*whole, left[1])
                for at, value in zip(places, left[0], strict=True):
                    merged[at] = value
                carry = merged, left[1]
        else:
            shares = self._floors_and_rest(weights, ids, volume)
        for at, share in zip(places, shares, strict=True):
            steps[at] = share
        return steps, carry

    def _floors_and_rest(self, weights: Ints, ids: Ints, volume: int) -> Ints:
        shares = [volume * weight // sum(weights) for weight in weights]
        rest, policy = volume - sum(shares), self.rule["residual_policy"]
        if policy == "overflow_account":
            if self.rule["overflow_account_id"] not in ids:
                raise RefusalError("overflow_account_absent")
            shares[ids.index(self.rule["overflow_account_id"])] += rest
            return shares
        by_id = policy == "round_robin"
        order = sorted(range(len(ids)), key=lambda at: (0 if by_id else -weights[at], ids[at]))
        for at in order[:rest]:
            shares[at] += 1
        return shares

    def run(self) -> Ints:
        """Final steps; `reasons`, `quotas` and `carry` say the rest."""
        live = {at for at, reason in enumerate(self.reasons) if reason == ALLOCATED}
        self.by_hand = {at: steps for at, steps in self.by_hand.items() if at in live}
        if self.rule["method"] not in CONSERVING:
            return self._derived(live)
        free = {at for at in live if self.weights[at] > 0}
        if self.rule["manual_policy"] == "within_block" and self.by_hand:
            self.volume -= sum(self.by_hand.values())
            if self.volume < 0:
                raise RefusalError("manual_exceeds_block")
            free -= set(self.by_hand)
        total = sum(self.weights[at] for at in free)
        for at in free:
            self.quotas[at] = Fraction(self.volume * self.weights[at], total)
        first, carry = self.divide(free, self.volume)
        steps = self._settle(free, first)
        self.carry = carry
        for at, count in self.by_hand.items():
            steps[at], self.reasons[at] = count, MANUAL
        for at in free:
            if self.reasons[at] == ALLOCATED and steps[at] != first[at]:
                self.reasons[at] = REDIVIDED
        return self._clip(steps, free | set(self.by_hand))

    def _derived(self, live: set[int]) -> Ints:
        nearest = self.rule["rounding"] == "nearest_half_up"
        self.quotas = [q if at in live else Fraction(0) for at, q in enumerate(self.quotas)]
        steps = [half_up(quota) if nearest else int(quota) for quota in self.quotas]
        for at, count in self.by_hand.items():
            steps[at], self.reasons[at] = count, MANUAL
        if self.rule["below_min"] == "bump_to_min":
            for at in live - set(self.by_hand):
                if steps[at] < self.minimum:
                    steps[at], self.reasons[at] = self.minimum, RAISED_TO_MIN
        return self._clip(steps, live)

    def _settle(self, free: set[int], first: Ints) -> Ints:
        if self.rule["cap_policy"] == "clip":
            return self._settle_minimum(free, self.volume, first, self.reasons)
        capped: set[int] = set()
        while True:
            left = self.volume - sum(self.caps[at] for at in capped)
            start = self.divide(free - capped, left)[0] if capped else first
            marks = self.reasons.copy()
            steps = self._settle_minimum(free - capped, left, start, marks)
            above = {at for at in free - capped if steps[at] > self.caps[at]}
            if not above:
                self.reasons[:] = marks
                for at in capped:
                    steps[at], self.reasons[at] = self.caps[at], self.cap_reasons[at]
                return steps
            capped |= above

    def _settle_minimum(self, free: set[int], volume: int, steps: Ints, reasons: Ints) -> Ints:
        if self.rule["below_min"] == "skip":
            return steps.copy()
        free, bump = free.copy(), self.rule["below_min"] == "bump_to_min"
        steps, raised = steps.copy(), set[int]()
        affordable = volume // self.minimum
        if bump and affordable < len(free):
            order = sorted(free, key=lambda at: (-self.weights[at], self.ids[at]))
            for at in order[affordable:]:
                free.discard(at)
                reasons[at] = BELOW_MIN
            steps = self.divide(free, volume)[0]
        while True:
            low = {at for at in free if steps[at] < self.minimum}
            if not (low if bump else {at for at in low if steps[at] > 0}):
                break
            free -= low
            for at in low:
                reasons[at] = RAISED_TO_MIN if bump else BELOW_MIN
            if bump:
                raised |= low
                volume -= self.minimum * len(low)
            steps = self.divide(free, volume)[0]
        for at in raised:
            steps[at] = self.minimum
        return steps

    def _clip(self, steps: Ints, live: set[int]) -> Ints:
        for at in live:
            if steps[at] > self.caps[at]:
                steps[at], self.reasons[at] = self.caps[at], self.cap_reasons[at]
            if steps[at] < self.minimum:
                why = self.reasons[at]
                if 10 <= why < CAP_BELOW_MIN:
                    self.reasons[at] = CAP_BELOW_MIN
                else:
                    untouched = why in (ALLOCATED, REDIVIDED) and steps[at] == 0
                    self.reasons[at] = ROUNDED_TO_ZERO if untouched else BELOW_MIN
                steps[at] = 0
        return steps


# --- the book ------------------------------------------------------------------------------------


@dataclass
class Member:
    """An account of the book. `opening` + P&L + flows = `balance`, minor units."""

    account_id: int
    place: int
    currency: str
    leverage: int
    balance: int
    status: int = ACTIVE


@dataclass
class Order:
    """A block or a close, and what its master order was filled so far."""

    deals: list[str] = field(default_factory=list)
    filled: int = 0
    point_steps: int = 0


@dataclass
class Block(Order):
    """Ticket lists are in ticket order; ticket i has the id first_ticket + i."""

    placed: Event = field(default_factory=dict)
    status: str = "pending"
    price: int = 0
    first_ticket: int = 0
    accounts: Ints = field(default_factory=list)
    target: Ints = field(default_factory=list)
    opened_by: list[str] = field(default_factory=list)
    open: Ints = field(default_factory=list)
    closing: Ints = field(default_factory=list)
    base: Ints = field(default_factory=list)
    given: Ints = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.placed["block_id"])

    @property
    def free(self) -> Ints:
        return [a - b for a, b in zip(self.open, self.closing, strict=True)]

    def rebase(self) -> None:
        self.base, self.given = self.free, [0] * len(self.open)


@dataclass
class Close(Order):
    event: Event = field(default_factory=dict)


class Book:
    """What the records so far add up to. `events(body)` says what must follow from a body."""

    def __init__(self) -> None:
        self.opened: Event = {}
        self.rule: Event = DEFAULT_RULE
        self.defaults: Event = {}
        self.terms: dict[int, Event] = {}
        self.digits: dict[str, int] = {}
        self.members: dict[int, Member] = {}
        self.symbols: dict[str, Event] = {}
        self.exposure: dict[str, dict[int, Ints]] = {}
        self.carries: dict[str, tuple[dict[int, int], int]] = {}
        self.blocks: dict[str, Block] = {}
        self.closes: dict[str, Close] = {}
        self.waiting: dict[str, Event] = {}
        self.next_ticket = 0
        self.counts = {"blocks": 0, "tickets": 0, "closes": 0, "lots_steps": 0}
        self._inputs: Event = {}
        self._rates: dict[tuple[str, str], Decimal | None] = {}
        self._margins: dict[tuple[str, str, int], Fraction | None] = {}
        self._is_always_open = False
        self.ended: dict[str, bool] = {}
        """Orders that ended before they were filled whole: was it a closing one?"""

    # Quotes and rates, from what the record says was read.

    def _quote(self, symbol: str, *, fresh: bool = False) -> Ints | None:
        quote: Ints | None = self._inputs["quotes"].get(symbol)
        if fresh:
            if not (self._is_always_open or self._is_open(symbol)):
                raise RefusalError("market_closed")
            if quote is None:
                raise RefusalError("no_quote")
            if abs(self._inputs["now_ms"] - quote[2]) > self._inputs["quote_max_age_ms"]:
                raise RefusalError("stale_quote")
        return quote

    def _is_open(self, symbol: str) -> bool:
        """Sessions are [from, to) in minutes since Monday 00:00 UTC; none: always."""
        sessions = self.symbols[symbol].get("sessions") or [[0, WEEK_MINUTES]]
        minute = (self._inputs["now_ms"] // 60_000 + 3 * 24 * 60) % WEEK_MINUTES
        return any(begins <= minute < ends for begins, ends in sessions)

    def _direct(self, base: str, quote: str) -> Decimal | None:
        for pair, is_inverse in (((base, quote), False), ((quote, base), True)):
            names = [
                name
                for name, s in self.symbols.items()
                if s["margin_mode"] == "fx" and (s["base_currency"], s["quote_currency"]) == pair
            ]
            found = self._quote(min(names)) if names else None
            if found is not None:
                digits = self.symbols[min(names)]["digits"]
                mid = Decimal(found[0] + found[1]).scaleb(-digits) / 2
                return 1 / mid if is_inverse else mid
        return None

    def rate(self, base: str, quote: str) -> Decimal | None:
        """At mid, eight significant digits; directly, else over USD, else over EUR."""
        if base == quote:
            return Decimal(1)
        if (base, quote) not in self._rates:
            self._rates[base, quote] = self._find_rate(base, quote)
        return self._rates[base, quote]

    def _find_rate(self, base: str, quote: str) -> Decimal | None:
        found = self._direct(base, quote)
        for pivot in ("USD", "EUR"):
            if found is None and pivot not in (base, quote):
                first, second = self._direct(base, pivot), self._direct(pivot, quote)
                if first is not None and second is not None:
                    found = first * second
        return None if found is None else Context(prec=8).plus(found)

    def _value(self, symbol: Event, rate: Decimal, currency: str) -> Fraction:
        """Minor units of `currency` per point and step."""
        lots = Fraction(symbol["contract_size"]) * Fraction(symbol["volume_step"])
        return lots * Fraction(rate) * ten(self.digits[currency] - symbol["digits"])

    def _floating(self) -> dict[int, int]:
        total = dict.fromkeys(self.members, 0)
        for name in self.exposure:
            quote, held = self._quote(name), self.exposure[name]
            if quote is None:
                if any(e[0] or e[2] for e in held.values()):
                    raise RefusalError("no_quote")
                continue
            symbol = self.symbols[name]
            for account, (longs, long_cost, shorts, short_cost) in held.items():
                currency = self.members[account].currency
                moved = longs * quote[0] - long_cost + short_cost - shorts * quote[1]
                rate = self.rate(symbol["quote_currency"], currency) if moved else None
                if rate is not None:
                    total[account] += half_up(moved * self._value(symbol, rate, currency))
        return total

    def _margin_per_step(self, symbol: Event, currency: str, leverage: int) -> Fraction | None:
        """Minor units that one step takes; FX by the base's rate, CFD by the price."""
        key = symbol["name"], currency, leverage
        if key not in self._margins:
            self._margins[key] = self._find_margin(symbol, currency, leverage)
        return self._margins[key]

    def _find_margin(self, symbol: Event, currency: str, leverage: int) -> Fraction | None:
        rate = self.rate(symbol["margin_currency"], currency)
        if rate is None:
            return None
        units = Fraction(symbol["volume_step"]) * Fraction(symbol["contract_size"])
        if symbol["margin_mode"] == "cfd":
            quote = self._quote(symbol["name"])
            if quote is None:
                return None
            units *= Fraction(quote[0] + quote[1], 2) * ten(-symbol["digits"])
        effective: int = max(1, min(leverage, symbol["max_leverage"]))
        return units / effective * Fraction(rate) * ten(self.digits[currency])

    def _used_margin(self, member: Member, leverage: int | None = None) -> int:
        """With a leverage of 1: the notional."""
        used = 0
        for name, held in self.exposure.items():
            longs, _, shorts, _ = held.get(member.account_id, [0, 0, 0, 0])
            if not (longs or shorts):
                continue
            per_step = self._margin_per_step(
                self.symbols[name], member.currency, leverage or member.leverage
            )
            if per_step is not None:
                used += half_up(max(longs, shorts) * per_step)
        return used

    def _see(self, inputs: Event, *, is_always_open: bool = False) -> None:
        """What a decision may look at; what was executed already was so in a session."""
        self._inputs, self._rates, self._margins = inputs, {}, {}
        self._is_always_open = is_always_open

    # What must follow.

    def events(self, body: Event) -> list[Event]:
        """The events of a body, derived; RefusalError when it had to be refused."""
        self._see(body["inputs"])
        asked = body["stimulus"]
        handler = getattr(self, f"_on_{asked['type']}", None)
        if handler is None:
            raise BeyondError(f"holds a {asked['type']!r}")
        if (asked["type"] == "open_book") == bool(self.opened):
            raise WrongError("opens the book again, or uses it before it was opened")
        found: list[Event] = handler(asked)
        return found

    def _on_open_book(self, asked: Event) -> list[Event]:
        names = ("book_id", "book_no", "master_login", "currency", "currency_digits")
        return [{"type": "book_opened", **{name: asked[name] for name in names}}]

    def _on_set_rule(self, asked: Event) -> list[Event]:
        check_known("terms", *asked["defaults"])
        return [{"type": "rule_set", "rule": asked["rule"], "defaults": asked["defaults"]}]

    def _on_set_link_terms(self, asked: Event) -> list[Event]:
        self._member(asked["account_id"])
        check_known("terms", *asked["terms"])
        return [{"type": "link_terms_set", "account_id": asked["account_id"],
                 "terms": asked["terms"]}]  # fmt: skip

    def _on_set_link_status(self, asked: Event) -> list[Event]:
        if self._member(asked["account_id"]).status == DETACHING:
            raise RefusalError("already_detaching")
        check_known("link status", asked["status"])
        return [{"type": "link_status_set", "account_id": asked["account_id"],
                 "status": asked["status"], "party": asked.get("party", "manager")}]  # fmt: skip

    def _on_define_symbols(self, asked: Event) -> list[Event]:
        check_known("margin mode", *(symbol["margin_mode"] for symbol in asked["symbols"]))
        return [{"type": "symbol_defined", "symbol": symbol} for symbol in asked["symbols"]]

    def _on_link_account(self, asked: Event) -> list[Event]:
        if asked.get("mode", "new_trades_only") != "new_trades_only":
            raise BeyondError(f"links an account {asked['mode']}")
        account = self._inputs["account"]
        if account is not None and account.get("own_positions"):
            raise BeyondError("links an account that has positions of its own")
        if account is not None and account.get("server_id"):
            raise BeyondError("links an account of another trading server")
        member = self.members.get(asked["account_id"])
        if account is None or account["account_id"] != asked["account_id"]:
            raise RefusalError("account_unknown")
        if member is not None and member.status != DETACHED:
            raise RefusalError("already_linked")
        linked = {"type": "member_linked", "account": account}
        if asked.get("terms") is None:
            return [linked]
        check_known("terms", *asked["terms"])
        terms = {"account_id": account["account_id"], "terms": asked["terms"]}
        return [linked, {"type": "link_terms_set", **terms}]

    def _on_link_accounts(self, asked: Event) -> list[Event]:
        if asked["mode"] != "new_trades_only":
            raise BeyondError(f"links accounts {asked['mode']}")
        table, wanted = self._inputs["accounts"], asked["account_ids"]
        if table is None or not wanted or wanted != sorted(set(wanted)):
            raise RefusalError("accounts_unordered")
        if any(table.get("server_ids", ())):
            raise BeyondError("links accounts of another trading server")
        known = {key: at for at, key in enumerate(table["account_ids"]) if not table["holds"][at]}
        joins = [key for key in wanted if key in known and not self._is_linked(key)]
        if any(key in self.members for key in joins):
            raise BeyondError("links accounts again, many at once")
        if not joins:
            return []
        rows = {
            name: [values[known[key]] for key in joins] if values else values
            for name, values in table.items()
            if name not in ("currencies", "currency_digits")
        }
        return [{"type": "members_linked", "accounts": table | rows, "mode": asked["mode"],
                 "waits": False}]  # fmt: skip

    def _is_linked(self, account_id: int) -> bool:
        member = self.members.get(account_id)
        return member is not None and member.status != DETACHED

    def _on_place_block(self, asked: Event) -> list[Event]:
        check_known("order", *(name for name, value in asked.items() if value))
        check_known("order kind", asked["kind"])
        symbol = self._symbol(asked["symbol"])
        steps = self._order_steps(asked["volume_lots"], symbol)
        quote, price = self._quote(symbol["name"], fresh=True), None
        assert quote is not None
        if asked["kind"] != "market":
            price = self._waiting_price(asked["side"], asked["kind"], asked["price"], symbol)
        manual = {int(account): lots for account, lots in asked.get("manual_lots", {}).items()}
        for account in manual:
            self._member(account)
        sl, tp = (
            None if asked.get(name) is None else self._points(asked[name], symbol)
            for name in ("stop_loss", "take_profit")
        )
        limit = asked.get("limit_price")
        if (asked["kind"] == "stop_limit") != (limit is not None):
            raise RefusalError("limit_price goes with a stop-limit, and only with it")
        limit = None if limit is None else self._points(limit, symbol)
        entry = price if limit is None else limit
        low, high = quote[:2] if entry is None else (entry, entry)
        self._check_stops(asked["side"], sl, tp, low, high)
        placed = {
            "type": "block_placed",
            "block_id": asked["command_id"],
            "symbol": symbol["name"],
            "side": asked["side"],
            "kind": asked["kind"],
            "price_points": price,
            "requested_steps": steps,
            "rule": asked["rule"] or self.rule,
            "participants": self._able_to_join(),
            "placed_at_ms": self._inputs["now_ms"],
            "digits": symbol["digits"],
            "volume_step": symbol["volume_step"],
            "manual_accounts": sorted(manual),
            "manual_steps": [self._steps_of(manual[a], symbol) for a in sorted(manual)],
            "sl_points": sl,
            "tp_points": tp,
            "expires_at_ms": self._expiry(asked),
            "limit_points": limit,
            **self._trailing(asked, symbol, quote),
        }
        if asked["kind"] != "market":
            return [placed]
        if asked.get("token"):
            return [placed, self._promised(placed, asked["token"])]
        return [placed, self._allocated(placed)]

    def _trailing(self, asked: Event, symbol: Event, quote: Ints) -> Event:
        """Distance and step in points; the step is a tenth of the distance where none is given."""
        distance, step = asked.get("trailing_distance"), asked.get("trailing_step")
        if distance is None:
            if step is not None:
                raise RefusalError("trailing_invalid")
            return {"trailing_points": None, "trailing_step_points": None}
        points = self._points(distance, symbol)
        if points <= quote[1] - quote[0]:
            raise RefusalError("trailing_too_close")
        step_points = max(1, points // 10) if step is None else self._points(step, symbol)
        if step_points > points:
            raise RefusalError("trailing_invalid")
        return {"trailing_points": points, "trailing_step_points": step_points}

    def _on_trail_stop(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        quote = self._quote(block.placed["symbol"], fresh=True)
        assert quote is not None
        old, stop = block.placed.get("sl_points"), None
        if block.status == "open" and block.placed.get("trailing_points") is not None:
            stop = trailed(block.placed, old, quote[0], quote[1])
        least = block.placed.get("trailing_step_points") or 1
        if stop is None or stop == old or (old is not None and abs(stop - old) < least):
            raise RefusalError("price_not_reached")
        return [{"type": "stop_trailed", "block_id": block.id, "sl_points": stop}]

    def _on_reverse_block(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        symbol = self.symbols[block.placed["symbol"]]
        quote = self._quote(symbol["name"], fresh=True)
        assert quote is not None
        if block.status != "open":
            raise RefusalError("block_not_open")
        now_ms, side = self._inputs["now_ms"], block.placed["side"]
        close = self._close_whole(block, UUID(asked["command_id"]), "reverse")
        lots, step = asked["volume_lots"], Fraction(symbol["volume_step"])
        steps = self._order_steps(str(sum(block.free) * step) if lots is None else lots, symbol)
        side = "sell" if side == "buy" else "buy"
        sl, tp = (
            None if asked.get(name) is None else self._points(asked[name], symbol)
            for name in ("stop_loss", "take_profit")
        )
        if block.placed["rule"]["method"] == "risk_percent" and sl is None:
            raise RefusalError("stop_loss_required")
        self._check_stops(side, sl, tp, quote[0], quote[1])
        placed = {
            "type": "block_placed",
            "block_id": str(uuid5(UUID(asked["command_id"]), "opposite")),
            "symbol": symbol["name"],
            "side": side,
            "kind": "market",
            "price_points": None,
            "requested_steps": steps,
            "rule": block.placed["rule"],
            "participants": self._able_to_join(),
            "placed_at_ms": now_ms,
            "digits": symbol["digits"],
            "volume_step": symbol["volume_step"],
            "sl_points": sl,
            "tp_points": tp,
            "expires_at_ms": now_ms + OPENS_WITHIN_MS,
            "origin": "reverse",
            **self._trailing(asked, symbol, quote),
            "reverses": block.id,
        }
        return [close, placed]

    def _on_close_by(self, asked: Event) -> list[Event]:
        """Per account the smaller of its two tickets; booked at once where the server nets."""
        first, second = self._block(asked["block_id"]), self._block(asked["other_block_id"])
        if first.status != "open" or second.status != "open":
            raise RefusalError("block_not_open")
        if (first.placed["symbol"] != second.placed["symbol"]) or (
            first.placed["side"] == second.placed["side"]
        ):
            raise RefusalError("close_by_mismatch")
        self._quote(first.placed["symbol"], fresh=True)
        frees = [dict(zip(block.accounts, block.free, strict=True)) for block in (first, second)]
        common = {a: min(frees[0][a], frees[1][a]) for a in frees[0] if a in frees[1]}
        total, now_ms = sum(common.values()), self._inputs["now_ms"]
        if not total:
            raise RefusalError("nothing_to_close")
        requests = []
        for block in (first, second):
            steps = [common.get(account, 0) for account in block.accounts]
            close_id = uuid5(UUID(asked["command_id"]), block.id)
            requests.append(self._close_request(block, close_id, steps, now_ms, True, "close_by"))
        events = list(requests)
        for request in requests if self._inputs.get("can_net") else ():
            booked = {
                "deal_ids": [],
                "price_points": second.price,
                "filled_steps": total,
                "house_points_steps": 0,
                "at_ms": now_ms,
            }
            booking_id = str(uuid5(UUID(asked["command_id"]), "book"))
            events += self._close_filled(Close(event=request), booked, {}, booking_id)
        return events

    def _able_to_join(self) -> Ints:
        found = [
            m.account_id for m in self.members.values() if m.status not in (DETACHED, DETACHING)
        ]
        if not found:
            raise RefusalError("no_participants")
        return found

    def _expiry(self, asked: Event) -> int | None:
        kind, now_ms = asked.get("expiry", "gtc"), self._inputs["now_ms"]
        at_ms: int | None = asked.get("expires_at_ms")
        if (kind == "date") != (at_ms is not None) or (kind != "gtc" and asked["kind"] == "market"):
            raise RefusalError("expiry_invalid")
        if kind == "day":
            return (int(now_ms) // DAY_MS + 1) * DAY_MS
        if at_ms is not None and at_ms <= now_ms:
            raise RefusalError("expiry_invalid")
        return at_ms

    def _promised(self, placed: Event, token: str) -> Event:
        """Divided by the quotes that the signed token of a preview holds."""
        data = base64.urlsafe_b64decode(token.split(".")[0])
        _, _, _, _, at_ms, tolerance, quotes, master = Reader(data, raw=True).whole()
        now, then = self._quote(placed["symbol"], fresh=True), quotes[placed["symbol"]]
        assert now is not None
        if not 0 <= self._inputs["now_ms"] - at_ms <= 30_000:
            raise RefusalError("preview_expired")
        if max(abs(now[0] - then[0]), abs(now[1] - then[1])) > tolerance:
            raise RefusalError("preview_quote_moved")
        real = self._inputs
        told = {**real, "quotes": quotes, "now_ms": at_ms, "master": master}
        self._see(told, is_always_open=True)
        allocated = self._allocated(placed)
        self._see(real)
        return {**allocated, "decided_at_ms": real["now_ms"]}

    def _on_amend_block(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        placed, symbol = block.placed, self.symbols[block.placed["symbol"]]
        quote = self._quote(symbol["name"], fresh=True)
        assert quote is not None
        names = ("price", "volume_lots", "stop_loss", "take_profit")
        price, lots, *stops = (asked.get(name) for name in names)
        limit, new_limit = placed.get("limit_points"), asked.get("limit_price")
        if block.status != "pending" and not (price is None and lots is None and new_limit is None):
            raise RefusalError("block_not_pending")
        points, steps = placed["price_points"], placed["requested_steps"]
        if (price is not None and points is None) or (new_limit is not None and limit is None):
            raise RefusalError("price_not_allowed")
        if new_limit is not None:
            limit = self._points(new_limit, symbol)
        if price is not None:
            points = self._waiting_price(placed["side"], placed["kind"], price, symbol)
        if lots is not None:
            steps = self._order_steps(lots, symbol)
        sl, tp = (
            before if value is None else (self._points(value, symbol) or None)
            for value, before in zip(
                stops, (placed.get("sl_points"), placed.get("tp_points")), strict=True
            )
        )
        entry = (points if limit is None else limit) if block.status == "pending" else None
        low, high = quote[:2] if entry is None else (entry, entry)
        self._check_stops(placed["side"], sl, tp, low, high)
        trailing = self._amended_trailing(asked, placed, symbol, quote)
        if trailing["trailing_points"] is not None and block.status == "open":
            sl = trailed({**placed, **trailing}, sl, quote[0], quote[1])
        return [{"type": "block_amended", "block_id": block.id, "price_points": points,
                 "requested_steps": steps, "sl_points": sl, "tp_points": tp,
                 "limit_points": limit, **trailing}]  # fmt: skip

    def _amended_trailing(self, asked: Event, placed: Event, symbol: Event, quote: Ints) -> Event:
        """None leaves; a distance of zero ends it."""
        distance, step = asked.get("trailing_distance"), asked.get("trailing_step")
        before = placed.get("trailing_points")
        if distance is None and step is None:
            names = ("trailing_points", "trailing_step_points")
            return {name: placed.get(name) for name in names}
        if distance is not None and Decimal(distance) == 0:
            return {"trailing_points": None, "trailing_step_points": None}
        if distance is None and before is not None:
            distance = str(Decimal(before).scaleb(-symbol["digits"]))
        terms = {"trailing_distance": distance, "trailing_step": step}
        return self._trailing(terms, symbol, quote)

    def _check_stops(self, side: str, sl: int | None, tp: int | None, low: int, high: int) -> None:
        sign, here = (1, low) if side == "buy" else (-1, high)
        if (sl is not None and (here - sl) * sign <= 0) or (
            tp is not None and (tp - here) * sign <= 0
        ):
            raise RefusalError("stop on the wrong side")

    def _on_stop_block(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        quote = self._quote(block.placed["symbol"], fresh=True)
        assert quote is not None
        sign, here = (1, quote[0]) if block.placed["side"] == "buy" else (-1, quote[1])
        sl, tp = block.placed.get("sl_points"), block.placed.get("tp_points")
        why = ""
        if sl is not None and (here - sl) * sign <= 0:
            why = "stop_loss"
        elif tp is not None and (here - tp) * sign >= 0:
            why = "take_profit"
        if block.status != "open" or not why:
            raise RefusalError("price_not_reached")
        return [self._close_whole(block, uuid5(UUID(asked["command_id"]), why), why)]

    def _close_whole(self, block: Block, close_id: UUID, reason: str = "") -> Event:
        if not any(block.free):
            raise RefusalError("close_exceeds_open")
        now_ms = self._inputs["now_ms"]
        return self._close_request(block, close_id, block.free, now_ms, False, reason)

    def _on_close_all(self, asked: Event) -> list[Event]:
        events = []
        for block in self._of_symbol(asked["symbol"]):
            if block.status == "open" and any(block.free):
                self._quote(block.placed["symbol"], fresh=True)
                close_id = uuid5(UUID(asked["command_id"]), block.id)
                events.append(self._close_whole(block, close_id))
        if not events:
            raise RefusalError("nothing_to_close")
        return events

    def _on_cancel_all(self, asked: Event) -> list[Event]:
        events = [
            self._withdraw(block, uuid5(UUID(asked["command_id"]), block.id), "cancelled_by_user")
            for block in self._of_symbol(asked["symbol"])
            if block.status in ("pending", "sent") and not self._is_being_cancelled(block)
        ]
        if not events:
            raise RefusalError("nothing_to_cancel")
        return events

    def _of_symbol(self, symbol: str | None) -> list[Block]:
        if symbol is not None:
            self._symbol(symbol)
        return [b for b in self.blocks.values() if symbol in (None, b.placed["symbol"])]

    def _on_expire_block(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        if block.status not in ("pending", "sent") or self._is_being_cancelled(block):
            raise RefusalError("block_not_pending")
        at_ms = block.placed.get("expires_at_ms")
        if at_ms is None or self._inputs["now_ms"] < at_ms:
            raise RefusalError("not_expired")
        return [self._withdraw(block, uuid5(UUID(asked["command_id"]), "cancel"), "expired")]

    def _is_being_cancelled(self, block: Block) -> bool:
        return any(one.get("cancels") == block.id for one in self.waiting.values())

    def _withdraw(self, block: Block, cancel_id: UUID, code: str) -> Event:
        """Off at once while pending; an order at the server is asked back."""
        if block.status == "pending":
            return {"type": "block_cancelled", "block_id": block.id, "code": code, "raw": ""}
        return {"type": "cancel_requested", "block_id": block.id, "cancel_id": str(cancel_id)}

    def _on_outside_fill(self, asked: Event) -> list[Event]:
        return self._taken_up(asked, is_closing=True, origin="outside")

    def _taken_up(self, asked: Event, *, is_closing: bool, origin: str) -> list[Event]:
        """A deal on the master that nobody waits for: closes what it is against, opens the rest."""
        symbol, left = self._symbol(asked["symbol"]), asked["steps"]
        here = [asked["price_points"], asked["price_points"], self._inputs["now_ms"]]
        quotes = {**self._inputs["quotes"], symbol["name"]: here}
        self._see({**self._inputs, "quotes": quotes}, is_always_open=True)
        events: list[Event] = []
        for block in self.blocks.values() if is_closing else ():
            is_against = block.placed["side"] != asked["side"]
            if (
                left
                and block.status == "open"
                and is_against
                and block.placed["symbol"] == symbol["name"]
            ):
                total = min(left, sum(block.free))
                if total:
                    left -= total
                    events += self._closed_by_deal(block, total, asked, "outside")
        return events + (self._opened_by_deal(left, asked, symbol, origin) if left else [])

    def _closed_by_deal(self, block: Block, total: int, asked: Event, reason: str) -> list[Event]:
        """`total` of what nobody closes yet, pro rata, at the deal's price."""
        steps = apportion(block.base, block.given, sum(block.given) + total, block.accounts)
        close_id = uuid5(UUID(asked["command_id"]), block.id)
        now_ms = self._inputs["now_ms"]
        request = self._close_request(block, close_id, steps, now_ms, False, reason)
        common = {
            "deal_ids": [asked["deal_id"]],
            "price_points": asked["price_points"],
            "filled_steps": total,
            "house_points_steps": 0,
            "at_ms": asked["at_ms"],
        }
        return [request, *self._close_filled(Close(event=request), common, asked["rates"])]

    def _opened_by_deal(self, steps: int, asked: Event, symbol: Event, origin: str) -> list[Event]:
        method = self.rule["method"] if self.rule["method"] in DIVIDING else "equity"
        changed = {"method": method, "custom": "", "cap_policy": "clip_redistribute",
                   "below_min": "skip_redistribute"}  # fmt: skip
        members = self.members.values()
        able = [m.account_id for m in members if m.status not in (DETACHED, DETACHING)]
        placed = {
            "type": "block_placed",
            "block_id": str(uuid5(UUID(asked["command_id"]), "block")),
            "symbol": symbol["name"],
            "side": asked["side"],
            "kind": "market",
            "price_points": None,
            "requested_steps": steps,
            "rule": {**self.rule, **changed},
            "participants": able,
            "placed_at_ms": self._inputs["now_ms"],
            "digits": symbol["digits"],
            "volume_step": symbol["volume_step"],
            "origin": origin,
        }
        try:
            allocated = self._allocated(placed)
        except RefusalError:
            return [placed, {"type": "block_rejected", "block_id": placed["block_id"],
                             "code": Anything(), "raw": Anything()}]  # fmt: skip
        block = Block(placed=placed, first_ticket=allocated["first_ticket_id"])
        served = [at for at, count in enumerate(allocated["steps"]) if count]
        block.accounts = [allocated["account_ids"][at] for at in served]
        block.target = [allocated["steps"][at] for at in served]
        total = sum(block.target)
        points = total * asked["price_points"]
        deals, at_ms = [asked["deal_id"]], asked["at_ms"]
        filled = self._complete(block, deals, total, points, asked["rates"], at_ms)
        return [placed, allocated, *filled]

    def _on_bust(self, asked: Event) -> list[Event]:
        """A deal taken back by another one: mirrored on the tickets that it had opened."""
        deal = asked["busted_deal_id"]
        block = next((b for b in self.blocks.values() if deal in b.opened_by), None)
        if block is None or asked["steps"] > sum(block.free):
            raise RefusalError("bust_not_open")
        return self._closed_by_deal(block, asked["steps"], asked, "bust")

    def _on_trigger_block(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        quote = self._quote(block.placed["symbol"], fresh=True)
        assert quote is not None
        if block.status != "pending":
            raise RefusalError("block_not_pending")
        kind, price = block.placed["kind"], block.placed["price_points"]
        reverses = block.placed.get("reverses")
        if reverses is not None:
            if any(close.event["block_id"] == reverses for close in self.closes.values()):
                raise RefusalError("the closing is on its way")
            if reverses in self.blocks:
                return [{"type": "block_cancelled", "block_id": block.id,
                         "code": "reverse_not_closed", "raw": ""}]  # fmt: skip
        elif price is None or not is_reached(block.placed["side"], kind, price, quote):
            raise RefusalError("price_not_reached")
        try:
            return [self._allocated(block.placed)]
        except RefusalError:  # a reached price, but nothing that anybody could be given
            return [{"type": "block_rejected", "block_id": block.id, "code": Anything(),
                     "raw": Anything()}]  # fmt: skip

    def _allocated(self, placed: Event) -> Event:
        symbol, rule = self.symbols[placed["symbol"]], placed["rule"]
        quote = self._quote(symbol["name"], fresh=True)
        assert quote is not None
        ids = [a for a in placed["participants"] if self.members[a].status != DETACHED]
        if not ids:
            raise RefusalError("no_participants")
        check_rule(rule)
        if rule["method"] not in METHODS:
            raise BeyondError(f"allocates by {rule['method']!r}")
        money_of, number_of = METHODS[rule["method"]]
        floating = self._floating()
        equity = [self.members[a].balance + floating[a] for a in ids]
        rates = {
            currency: rate
            for currency in {m.currency for m in self.members.values()}
            if (rate := self.rate(currency, self.opened["currency"])) is not None
        }
        own = [self.members[a].balance for a in ids] if money_of == "balance" else equity
        common = [
            self._common(money, self.members[a].currency, rates)
            for a, money in zip(ids, own, strict=True)
        ]
        numbers = self._numbers(number_of, ids, symbol)
        costs = self._unit_costs(rule["method"], placed, symbol, quote, ids)
        master = self._master_money(rule["method"])
        work = Allocation(rule, ids)
        work.minimum, work.volume = symbol["min_steps"], placed["requested_steps"]
        manual = dict(
            zip(placed.get("manual_accounts", []), placed.get("manual_steps", []), strict=True)
        )
        work.by_hand = {at: manual[a] for at, a in enumerate(ids) if a in manual}
        bounds = self._bounds(symbol, ids, equity)
        for at, account in enumerate(ids):
            reason = self._exclusion(self.members[account], symbol["name"], rates)
            if not reason and money_of and common[at] <= 0:
                reason = NO_EQUITY
            if not reason and numbers and numbers[at] <= 0 and account not in manual:
                reason = NO_PARAMETER
            work.reasons.append(reason)
            cap, why = NO_CAP, CAP_ACCOUNT
            for limits, name in bounds:
                if max(limits[at], 0) < cap:
                    cap, why = max(limits[at], 0), name
            work.caps.append(cap)
            work.cap_reasons.append(why)
        self._size(work, common, numbers, costs, master)
        kept = self.carries.get(symbol["name"])
        work.carry = ([kept[0].get(a, 0) for a in ids], kept[1]) if kept else None
        steps = work.run()
        if not 0 < sum(steps) <= symbol["max_steps"]:
            raise RefusalError("nothing_allocated, or more than one order may have")
        uses_carry = (
            rule["carry_forward"]
            and rule["residual_policy"] == "largest_remainder"
            and rule["method"] in CONSERVING
        )
        carry = work.carry if uses_carry and work.carry is not None else ([], 1)
        is_told = rule["method"] == "percent" or number_of == "lots"
        is_plain = rule["method"] == "equity" and not manual
        return {
            "type": "block_allocated",
            "block_id": placed["block_id"],
            "bid_points": quote[0],
            "ask_points": quote[1],
            "quote_at_ms": quote[2],
            "account_ids": ids,
            "equity_minor": equity,
            "weights": numbers if is_told else common,
            "rates": {currency: str(rate) for currency, rate in rates.items()},
            "cap_steps": work.caps,
            "steps": steps,
            "reasons": work.reasons,
            "quotas_e8": [] if is_plain else [int(q * 10**8) for q in work.quotas],
            "carry": carry[0],
            "carry_denominator": carry[1],
            "order_steps": sum(steps),
            "residual_steps": placed["requested_steps"] - sum(steps),
            "first_ticket_id": self.next_ticket,
            "decided_at_ms": self._inputs["now_ms"],
            "cap_reasons": work.cap_reasons if len(bounds) > 2 else [],
            "parameters": numbers or [],
            "unit_costs": costs or [],
            "unit_cost_scale": COST_SCALE if costs else 1,
            "master_money_minor": master,
        }

    def _size(
        self,
        work: Allocation,
        common: Ints,
        numbers: Ints | None,
        costs: Ints | None,
        master: int | None,
    ) -> None:
        """Weights of what divides a volume, exact quotas of what is derived."""
        method, places = work.rule["method"], range(len(work.ids))
        own = numbers or [PARAMETER_SCALE] * len(work.ids)
        if method in ("equity", "balance"):
            work.weights = common
        elif method == "equal":
            work.weights = [1] * len(work.ids)
        elif method in ("percent", "lot_weights"):
            work.weights = own
        elif method == "equity_percent_share":
            work.weights = [a * b for a, b in zip(common, own, strict=True)]
        elif method == "lot_fixed":
            work.quotas = [Fraction(steps) for steps in own]
        elif costs is not None:
            scale = 100 * PARAMETER_SCALE
            work.quotas = [
                Fraction(max(common[at], 0) * own[at] * COST_SCALE, costs[at] * scale)
                for at in places
            ]
        else:
            shares = [Fraction(common[at], master) if master else Fraction(1) for at in places]
            work.quotas = [work.volume * shares[at] * own[at] / PARAMETER_SCALE for at in places]
        if method == "percent":
            live = [at for at in places if work.reasons[at] == ALLOCATED]
            total = sum(max(own[at], 0) for at in live)
            work.volume = work.volume * total // (100 * PARAMETER_SCALE)

    def _term(self, account: int, read: Callable[[Event], Any], scale: int) -> int:
        """The link's own number × scale, else the default's, else −1."""
        for terms in (self.terms.get(account, {}), self.defaults):
            value = read(terms)
            if value is not None:
                return int(Decimal(value) * scale)
        return -1

    def _numbers(self, kind: str, ids: Ints, symbol: Event) -> Ints | None:
        """Percent or ratio in 10^-6, or lots as steps; None: the method reads none."""
        if kind == "lots":
            step = int(Decimal(symbol["volume_step"]) * LOT_SCALE)
            lots = [self._term(a, lambda t: t.get("lots"), LOT_SCALE) for a in ids]
            return [max(value, 0) // step for value in lots]
        if not kind:
            return None

        def read(account: int) -> int:
            return self._term(account, lambda t: t.get("parameter"), PARAMETER_SCALE)

        if kind == "ratio" and all(read(a) < 0 for a in self.members):
            return None
        absent = PARAMETER_SCALE if kind == "ratio" else 0
        return [value if (value := read(a)) >= 0 else absent for a in ids]

    def _unit_costs(
        self, method: str, placed: Event, symbol: Event, quote: Ints, ids: Ints
    ) -> Ints | None:
        """What one step takes (its margin) or loses (at the stop): the book's money · 10^6."""
        currency = self.opened["currency"]
        if method == "equity_percent":
            costs = [self._margin_per_step(symbol, currency, self.members[a].leverage) for a in ids]
            if None in costs:
                raise RefusalError("rate_missing")
            return [max(1, half_up(cost * COST_SCALE)) for cost in costs if cost is not None]
        if method != "risk_percent":
            return None
        limits = {"limit": "price_points", "stop_limit": "limit_points"}
        entry = placed[limits[placed["kind"]]] if placed["kind"] in limits else None
        if entry is None:
            entry = quote[1] if placed["side"] == "buy" else quote[0]
        rate = self.rate(symbol["quote_currency"], currency)
        sign = 1 if placed["side"] == "buy" else -1
        if placed.get("sl_points") is None or rate is None:
            raise RefusalError("stop_loss_required")
        distance = (entry - placed["sl_points"]) * sign
        if distance <= 0:
            raise RefusalError("stop_loss_wrong_side")
        loss = self._value(symbol, rate, currency) * distance
        return [max(1, half_up(loss * COST_SCALE))] * len(ids)

    def _master_money(self, method: str) -> int | None:
        if method not in ("ratio_equity", "ratio_balance"):
            return None
        told = self._inputs.get("master")
        money: int = told[f"{method.removeprefix('ratio_')}_minor"] if told else 0
        if money <= 0:
            raise RefusalError("master_money_unknown")
        return money

    def _exclusion(self, member: Member, symbol: str, rates: dict[str, Decimal]) -> int:
        """Why a member takes no part; 0 when it does."""
        if member.currency not in rates:
            return NO_RATE
        if member.status != ACTIVE:
            return TAKES_NO_PART[member.status]

        def is_allowed(terms: Event) -> int | None:
            allowed = terms.get("symbols")
            return None if allowed is None else int(symbol in allowed)

        return NOT_ALLOWED if self._term(member.account_id, is_allowed, 1) == 0 else 0

    def _bounds(self, symbol: Event, ids: Ints, equity: Ints) -> list[tuple[Ints, int]]:
        """(most steps of each account, which limit that is); of equal ones the first counts."""
        name, step = symbol["name"], int(Decimal(symbol["volume_step"]) * LOT_SCALE)
        members = [self.members[a] for a in ids]
        margins = [self._margin_cap(symbol, m, e) for m, e in zip(members, equity, strict=True)]
        bounds = [([symbol["max_steps"]] * len(ids), CAP_ORDER), (margins, CAP_MARGIN)]
        if not self.terms and not self.defaults:
            return bounds

        def limit(read: Callable[[Event], Any], why: int, held: Callable[[int], int]) -> None:
            if all(self._term(a, read, LOT_SCALE) < 0 for a in self.members):
                return
            most = [self._term(a, read, LOT_SCALE) for a in ids]
            rooms = [
                NO_CAP if value < 0 else max(value - held(a), 0) // step
                for a, value in zip(ids, most, strict=True)
            ]
            bounds.append((rooms, why))

        limit(lambda t: t.get("max_order_lots"), CAP_ACCOUNT, lambda _: 0)
        limit(lambda t: t.get("max_open_lots"), CAP_OPEN_LOTS, self._held_everywhere)
        limit(
            lambda t: t.get("max_symbol_lots", {}).get(name),
            CAP_SYMBOL,
            lambda a: self._held(name, a) * step,
        )

        def lever(account: int) -> int:
            return self._term(account, lambda t: t.get("max_leverage"), LOT_SCALE)

        if any(lever(a) >= 0 for a in self.members):
            rooms = [
                self._leverage_cap(symbol, member, money, lever(member.account_id))
                for member, money in zip(members, equity, strict=True)
            ]
            bounds.append((rooms, CAP_LEVERAGE))
        return bounds

    def _held(self, symbol: str, account: int) -> int:
        """Steps open, long and short, and on their way to be opened."""
        longs, _, shorts, _ = self.exposure.get(symbol, {}).get(account, [0, 0, 0, 0])
        return (
            longs
            + shorts
            + sum(
                steps
                for block in self.blocks.values()
                if block.status == "sent" and block.placed["symbol"] == symbol
                for mine, steps in zip(block.accounts, block.target, strict=True)
                if mine == account
            )
        )

    def _held_everywhere(self, account: int) -> int:
        """In 10^-8 lots."""
        return sum(
            self._held(name, account) * int(Decimal(symbol["volume_step"]) * LOT_SCALE)
            for name, symbol in self.symbols.items()
        )

    def _leverage_cap(self, symbol: Event, member: Member, equity: int, most: int) -> int:
        """Notional of everything open, and of this order, stays within equity · leverage."""
        if most < 0:
            return NO_CAP
        per_step = self._margin_per_step(symbol, member.currency, 1)
        if per_step is None:
            return 0
        room = max(equity, 0) * Fraction(most, LOT_SCALE) - self._used_margin(member, 1)
        return min(max(int(room // per_step), 0), NO_CAP)

    def _common(self, money: int, currency: str, rates: dict[str, Decimal]) -> int:
        """Money in the book's currency, for weighing."""
        if currency not in rates or currency == self.opened["currency"]:
            return money if currency in rates else 0
        shift = self.digits[self.opened["currency"]] - self.digits[currency]
        return half_up(money * Fraction(rates[currency]) * ten(shift))

    def _margin_cap(self, symbol: Event, member: Member, equity: int) -> int:
        per_step = self._margin_per_step(symbol, member.currency, member.leverage)
        if per_step is None:
            return 0
        level: int = self._inputs["margin_level_min_pct"]
        free = max(equity * 100 // level - self._used_margin(member), 0)
        return free // per_step

    def _on_cancel_block(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        if block.status not in ("pending", "sent"):
            raise RefusalError("block_not_pending")
        cancel_id = uuid5(UUID(asked["command_id"]), "cancel")
        return [self._withdraw(block, cancel_id, "cancelled_by_user")]

    def _on_cancel_report(self, asked: Event) -> list[Event]:
        self._waiting(asked["cancel_id"])
        return [{"type": "cancel_settled", "cancel_id": asked["cancel_id"],
                 "done": asked["done"], "code": asked["code"]}]  # fmt: skip

    def _on_booking(self, asked: Event) -> list[Event]:
        self._waiting(asked["booking_id"])
        names = ("booking_id", "done", "code", "raw", "differences")
        return [{"type": "booking_settled", **{name: asked[name] for name in names}}]

    def _on_adjust_balance(self, asked: Event) -> list[Event]:
        is_former = asked.get("former", False) and asked["kind"] != "withdrawal"
        former = self.members.get(asked["account_id"]) if is_former else None
        member = former or self._member(asked["account_id"])
        amount = asked["amount_minor"] if asked["kind"] == "deposit" else -asked["amount_minor"]
        if asked["amount_minor"] <= 0:
            raise RefusalError("amount_invalid")
        if amount < 0:
            equity = member.balance + self._floating()[member.account_id]
            free = min(member.balance, equity - self._used_margin(member)) + sum(
                min(0, op["amount_minor"])
                for op in self.waiting.values()
                if op.get("account_id") == member.account_id
            )
            if -amount > free:
                raise RefusalError("insufficient_funds")
        return [{"type": "balance_requested", "operation_id": asked["command_id"],
                 "account_id": asked["account_id"], "kind": asked["kind"],
                 "amount_minor": amount, "comment": asked["comment"]}]  # fmt: skip

    def _on_balance(self, asked: Event) -> list[Event]:
        requested = self._waiting(asked["operation_id"])
        told = {name: asked[name] for name in ("done", "code", "raw")}
        if asked["done"] and self._inputs.get("edition", 0) >= 1:
            member = self.members[requested["account_id"]]
            told["equity_minor"] = member.balance + self._floating()[member.account_id]
        return [{**requested, **told, "type": "balance_settled", "at_ms": self._inputs["now_ms"]}]

    def _on_unlink_account(self, asked: Event) -> list[Event]:
        if asked.get("mode", "close_at_market") != "close_at_market":
            raise BeyondError(f"lets an account leave {asked['mode']}")
        member = self._member(asked["account_id"])
        closes = []
        for block in self.blocks.values():
            if block.status == "open":
                close_id = uuid5(UUID(asked["command_id"]), block.id)
                steps = self._all_of(block, block.free, {member.account_id})
                if any(steps):
                    self._quote(block.placed["symbol"], fresh=True)
                    closes.append(
                        self._close_request(block, close_id, steps, self._inputs["now_ms"], True)
                    )
        if member.status == DETACHING and not closes:
            raise RefusalError("already_detaching")
        events: list[Event] = [
            {"type": "member_detaching", "account_id": member.account_id,
             "close_ids": [close["close_id"] for close in closes]}, *closes]  # fmt: skip
        held = (b for b in self.blocks.values() if b.status in ("sent", "open"))
        if not any(self._holds(block, member.account_id) for block in held):
            events.append(self._detached(member))
        return events

    def _on_close_block(self, asked: Event) -> list[Event]:
        block = self._block(asked["block_id"])
        if block.status != "open":
            raise RefusalError("block_not_open")
        symbol, free = self.symbols[block.placed["symbol"]], sum(block.free)
        self._quote(symbol["name"], fresh=True)
        if asked["volume_lots"] is not None:
            total = self._steps_of(asked["volume_lots"], symbol)
        elif asked["fraction"] is not None:
            total = half_up(free * Fraction(asked["fraction"]))
        else:
            total = free
        if not 0 < total <= free:
            raise RefusalError("close_exceeds_open")
        steps = apportion(block.base, block.given, sum(block.given) + total, block.accounts)
        for at, left in enumerate(block.free):
            if steps[at] and 0 < left - steps[at] < symbol["min_steps"]:
                steps[at] = left
        close_id, now_ms = UUID(asked["command_id"]), self._inputs["now_ms"]
        return [self._close_request(block, close_id, steps, now_ms, False)]

    def _close_request(
        self,
        block: Block,
        close_id: UUID,
        steps: Ints,
        now_ms: int,
        detaches: bool,
        reason: str = "",
    ) -> Event:
        chosen = [at for at, value in enumerate(steps) if value]
        return {
            "type": "close_requested",
            "close_id": str(close_id),
            "block_id": block.id,
            "ticket_ids": [block.first_ticket + at for at in chosen],
            "account_ids": [block.accounts[at] for at in chosen],
            "steps": [steps[at] for at in chosen],
            "order_steps": sum(steps),
            "detaches": detaches,
            "decided_at_ms": now_ms,
            "reason": reason,
        }

    def _on_fill(self, asked: Event) -> list[Event]:
        try:
            order = self._order(asked["order_id"])
        except RefusalError:
            if not asked.get("symbol") or asked.get("side") is None:
                raise
            is_closing = self.ended.get(asked["order_id"], asked["order_id"] not in self.blocks)
            return self._taken_up(asked, is_closing=is_closing, origin="late")
        if asked["leaves_steps"] > 0:
            names = ("order_id", "deal_id", "steps", "price_points")
            return [{"type": "order_partly_filled", **{name: asked[name] for name in names}}]
        deals = [*order.deals, asked["deal_id"]]
        points = order.point_steps + asked["steps"] * asked["price_points"]
        return self._complete(
            order, deals, order.filled + asked["steps"], points, asked["rates"], asked["at_ms"]
        )

    def _on_order_ended(self, asked: Event) -> list[Event]:
        order, now_ms = self._order(asked["order_id"]), self._inputs["now_ms"]
        if order.filled:
            return self._complete(order, order.deals, order.filled, order.point_steps, {}, now_ms)
        why = {"code": asked["code"], "raw": asked["raw"]}
        if isinstance(order, Close):
            ids = {name: order.event[name] for name in ("close_id", "block_id")}
            return [{"type": "close_ended", **ids, **why}]
        kind = "block_rejected" if asked["how"] == "rejected" else "block_cancelled"
        off: Event = {"type": kind, "block_id": order.id, **why}
        return [off, *self._flat(order.accounts, order.id)]

    def _complete(
        self, order: Order, deals: list[str], steps: int, points: int, rates: Event, at_ms: int
    ) -> list[Event]:
        price = half_up(Fraction(points, steps))
        common = {
            "deal_ids": deals,
            "price_points": price,
            "filled_steps": steps,
            "house_points_steps": points - price * steps,
            "at_ms": at_ms,
        }
        if isinstance(order, Close):
            return self._close_filled(order, common, rates)
        assert isinstance(order, Block)
        shares = apportion(order.target, [0] * len(order.target), steps, order.accounts)
        filled: Event = {
            "type": "block_filled",
            "block_id": order.id,
            "first_ticket_id": order.first_ticket,
            "account_ids": order.accounts,
            "steps": shares,
            "booking_id": str(uuid5(UUID(order.id), f"book:{deals[-1]}")),
            **common,
        }
        leaving = {m.account_id for m in self.members.values() if m.status == DETACHING}
        late = self._all_of(order, shares, leaving)
        events = [filled]
        old = order.placed.get("sl_points")
        if order.placed.get("trailing_points") is not None:
            stop = trailed(order.placed, old, price, price)
            if stop != old:
                events.append({"type": "stop_trailed", "block_id": order.id, "sl_points": stop})
        if any(late):
            close_id = uuid5(UUID(order.id), "leavers")
            events.append(self._close_request(order, close_id, late, at_ms, True))
        return events

    def _close_filled(
        self, close: Close, common: Event, rates: Event, booking_id: str = ""
    ) -> list[Event]:
        asked, block = close.event, self.blocks[close.event["block_id"]]
        accounts, zeros = asked["account_ids"], [0] * len(asked["steps"])
        steps = apportion(asked["steps"], zeros, common["filled_steps"], accounts)
        pnl, used = self._realise(block, accounts, steps, common["price_points"], rates)
        filled: Event = {
            "type": "close_filled",
            "close_id": asked["close_id"],
            "block_id": block.id,
            "ticket_ids": asked["ticket_ids"],
            "account_ids": accounts,
            "steps": steps,
            "pnl_minor": pnl,
            "rates": used,
            "booking_id": booking_id
            or str(uuid5(UUID(asked["close_id"]), f"book:{common['deal_ids'][-1]}")),
            **common,
        }
        if sum(block.open) == sum(steps):
            closed = {"type": "block_closed", "block_id": block.id, "at_ms": common["at_ms"]}
            return [filled, closed, *self._flat(accounts, block.id)]
        left = [
            block.open[ticket - block.first_ticket] - share
            for ticket, share in zip(asked["ticket_ids"], steps, strict=True)
        ]
        flat = [account for account, rest in zip(accounts, left, strict=True) if rest == 0]
        return [filled, *self._flat(flat, block.id)]

    def _realise(
        self, block: Block, accounts: Ints, steps: Ints, price: int, rates: Event
    ) -> tuple[Ints, dict[str, str]]:
        """P&L per ticket, minor units, at the fill's own rates or else this book's."""
        symbol = self.symbols[block.placed["symbol"]]
        move = (price - block.price) * (1 if block.placed["side"] == "buy" else -1)
        used: dict[str, str] = {}
        values: dict[str, Fraction] = {}
        for currency in {self.members[a].currency for a in accounts}:
            told = rates.get(currency)
            rate = Decimal(told) if told else self.rate(symbol["quote_currency"], currency)
            if rate is None:
                raise RefusalError("rate_missing")
            used[currency] = str(rate)
            values[currency] = self._value(symbol, rate, currency)
        pnl = [
            half_up(move * count * values[self.members[account].currency])
            for account, count in zip(accounts, steps, strict=True)
        ]
        return pnl, used

    def _flat(self, accounts: Iterable[int], but: str) -> list[Event]:
        """Leaving members that have nothing left outside the block `but`."""
        found = sorted((self.members[a] for a in set(accounts)), key=lambda m: m.place)
        others = [block for key, block in self.blocks.items() if key != but]
        return [
            self._detached(member)
            for member in found
            if member.status == DETACHING
            and not any(self._holds(block, member.account_id) for block in others)
        ]

    def _detached(self, member: Member) -> Event:
        return {"type": "member_detached", "account_id": member.account_id,
                "balance_minor": member.balance}  # fmt: skip

    def _holds(self, block: Block, account: int) -> bool:
        steps = block.target if block.status == "sent" else block.open
        return any(a == account and s > 0 for a, s in zip(block.accounts, steps, strict=False))

    def _all_of(self, block: Block, steps: Ints, accounts: set[int]) -> Ints:
        pairs = zip(block.accounts, steps, strict=True)
        return [value if account in accounts else 0 for account, value in pairs]

    def _whole(self, value: Decimal | Fraction) -> int:
        if value != int(value):
            raise RefusalError("off_grid")
        return int(value)

    def _steps_of(self, lots: str, symbol: Event) -> int:
        return self._whole(Fraction(lots) / Fraction(symbol["volume_step"]))

    def _order_steps(self, lots: str, symbol: Event) -> int:
        steps = self._steps_of(lots, symbol)
        if not symbol["min_steps"] <= steps <= symbol["max_steps"]:
            raise RefusalError("volume_limits")
        return steps

    def _points(self, price: str, symbol: Event) -> int:
        return self._whole(Decimal(price).scaleb(symbol["digits"]))

    def _waiting_price(self, side: str, kind: str, price: str, symbol: Event) -> int:
        points, quote = self._points(price, symbol), self._quote(symbol["name"], fresh=True)
        assert quote is not None
        if is_reached(side, kind, points, quote):
            raise RefusalError("price_wrong_side")
        return points

    def _symbol(self, name: str) -> Event:
        if name not in self.symbols:
            raise RefusalError("unknown_symbol")
        return self.symbols[name]

    def _member(self, account_id: int) -> Member:
        member = self.members.get(account_id)
        if member is None or member.status == DETACHED:
            raise RefusalError("account_not_linked")
        return member

    def _block(self, block_id: str) -> Block:
        if block_id not in self.blocks:
            raise RefusalError("block_not_open")
        return self.blocks[block_id]

    def _order(self, order_id: str) -> Block | Close:
        block = self.blocks.get(order_id)
        if order_id in self.closes:
            return self.closes[order_id]
        if block is None or block.status != "sent":
            raise RefusalError("order_not_waiting")
        return block

    def _waiting(self, key: str) -> Event:
        if key not in self.waiting:
            raise RefusalError("not_pending")
        return self.waiting[key]

    # What it does to the book.

    def apply(self, event: Event) -> None:
        """Bookkeeping of one event that was derived."""
        getattr(self, f"_apply_{event['type']}")(event)

    def _apply_book_opened(self, event: Event) -> None:
        self.opened = event
        self.digits[event["currency"]] = event["currency_digits"]
        self.next_ticket = (event["book_no"] << 32) + 1

    def _apply_rule_set(self, event: Event) -> None:
        self.rule, self.defaults = event["rule"], event["defaults"]

    def _apply_link_terms_set(self, event: Event) -> None:
        self.terms[event["account_id"]] = event["terms"]

    def _apply_link_status_set(self, event: Event) -> None:
        self.members[event["account_id"]].status = STATUS_OF[event["status"]]

    def _apply_block_amended(self, event: Event) -> None:
        block = self.blocks[event["block_id"]]
        block.placed = {**block.placed, **event, "type": "block_placed"}

    _apply_stop_trailed = _apply_block_amended

    def _end_order(self, order_id: str, *, is_closing: bool) -> None:
        """A fill of it may still come."""
        self.ended[order_id] = is_closing
        while len(self.ended) > KEPT_ENDED:
            del self.ended[next(iter(self.ended))]

    def _apply_symbol_defined(self, event: Event) -> None:
        self.symbols[event["symbol"]["name"]] = event["symbol"]

    def _apply_member_linked(self, event: Event) -> None:
        account = event["account"]
        key = account["account_id"]
        self.digits.setdefault(account["currency"], account["currency_digits"])
        place = self.members[key].place if key in self.members else len(self.members)
        self.members[key] = Member(
            key, place, account["currency"], account["leverage"], account["balance_minor"]
        )
        self._forget_carry(key)

    def _apply_members_linked(self, event: Event) -> None:
        table = event["accounts"]
        for at, key in enumerate(table["account_ids"]):
            number = table["currency"][at]
            currency, digits = table["currencies"][number], table["currency_digits"][number]
            self.digits.setdefault(currency, digits)
            self.members[key] = Member(
                key, len(self.members), currency, table["leverage"][at], table["balance_minor"][at]
            )

    def _forget_carry(self, account_id: int) -> None:
        for numerators, _ in self.carries.values():
            numerators.pop(account_id, None)

    def _apply_member_detaching(self, event: Event) -> None:
        self.members[event["account_id"]].status = DETACHING

    def _apply_member_detached(self, event: Event) -> None:
        self.members[event["account_id"]].status = DETACHED
        self._forget_carry(event["account_id"])

    def _apply_block_placed(self, event: Event) -> None:
        self.blocks[event["block_id"]] = Block(placed=event)

    def _apply_block_allocated(self, event: Event) -> None:
        block = self.blocks[event["block_id"]]
        served = [at for at, steps in enumerate(event["steps"]) if steps]
        block.status, block.first_ticket = "sent", event["first_ticket_id"]
        block.accounts = [event["account_ids"][at] for at in served]
        block.target = [event["steps"][at] for at in served]
        block.open, block.closing, block.base, block.given = ([0] * len(served) for _ in range(4))
        self.next_ticket += len(served)
        self.counts["blocks"] += 1
        self.counts["tickets"] += len(served)
        self.counts["lots_steps"] += event["order_steps"]
        if event["carry"]:
            symbol, unit = block.placed["symbol"], event["carry_denominator"]
            old, before = self.carries.get(symbol, ({}, 1))
            kept = dict(zip(old, over(list(old.values()), before, unit), strict=True))
            kept.update(zip(event["account_ids"], event["carry"], strict=True))
            self.carries[symbol] = kept, unit

    def _apply_cancel_requested(self, event: Event) -> None:
        self.waiting[event["cancel_id"]] = {"cancels": event["block_id"]}

    def _apply_cancel_settled(self, event: Event) -> None:
        del self.waiting[event["cancel_id"]]

    def _apply_booking_settled(self, event: Event) -> None:
        del self.waiting[event["booking_id"]]

    def _apply_block_cancelled(self, event: Event) -> None:
        if self.blocks.pop(event["block_id"]).status == "sent":
            self._end_order(event["block_id"], is_closing=False)

    _apply_block_rejected = _apply_block_closed = _apply_block_cancelled

    def _apply_order_partly_filled(self, event: Event) -> None:
        order = self._order(event["order_id"])
        order.deals = [*order.deals, event["deal_id"]]
        order.filled += event["steps"]
        order.point_steps += event["steps"] * event["price_points"]

    def _apply_block_filled(self, event: Event) -> None:
        block = self.blocks[event["block_id"]]
        block.status, block.price = "open", event["price_points"]
        block.open, block.base = event["steps"].copy(), event["steps"].copy()
        block.opened_by = event["deal_ids"]
        if event["filled_steps"] < sum(block.target):
            self._end_order(block.id, is_closing=False)
        block.deals, block.filled, block.point_steps = [], 0, 0
        self._expose(block, block.accounts, event["steps"], 1)
        self.waiting[event["booking_id"]] = {}

    def _expose(self, block: Block, accounts: Ints, steps: Ints, sign: int) -> None:
        held = self.exposure.setdefault(block.placed["symbol"], {})
        first = 0 if block.placed["side"] == "buy" else 2
        for account, count in zip(accounts, steps, strict=True):
            mine = held.setdefault(account, [0, 0, 0, 0])
            mine[first] += sign * count
            mine[first + 1] += sign * count * block.price

    def _apply_close_requested(self, event: Event) -> None:
        block = self.blocks[event["block_id"]]
        for ticket, steps in zip(event["ticket_ids"], event["steps"], strict=True):
            block.closing[ticket - block.first_ticket] += steps
            block.given[ticket - block.first_ticket] += steps
        if event["detaches"]:
            block.rebase()
        self.closes[event["close_id"]] = Close(event=event)

    def _apply_close_ended(self, event: Event) -> None:
        self._lift(event).rebase()
        self._end_order(event["close_id"], is_closing=True)

    def _lift(self, event: Event) -> Block:
        """Take the close's reservation back; its block."""
        asked = self.closes.pop(event["close_id"]).event
        block = self.blocks[event["block_id"]]
        for ticket, steps in zip(asked["ticket_ids"], asked["steps"], strict=True):
            block.closing[ticket - block.first_ticket] -= steps
        return block

    def _apply_close_filled(self, event: Event) -> None:
        asked = self.closes[event["close_id"]].event
        block = self._lift(event)
        for ticket, steps in zip(event["ticket_ids"], event["steps"], strict=True):
            block.open[ticket - block.first_ticket] -= steps
        if event["filled_steps"] != asked["order_steps"]:
            block.rebase()
            self._end_order(event["close_id"], is_closing=True)
        self._expose(block, event["account_ids"], event["steps"], -1)
        for account, amount in zip(event["account_ids"], event["pnl_minor"], strict=True):
            self.members[account].balance += amount
        self.waiting[event["booking_id"]] = {}
        self.counts["closes"] += 1

    def _apply_balance_requested(self, event: Event) -> None:
        self.waiting[event["operation_id"]] = event

    def _apply_balance_settled(self, event: Event) -> None:
        del self.waiting[event["operation_id"]]
        if event["done"]:
            self.members[event["account_id"]].balance += event["amount_minor"]


def is_reached(side: str, kind: str, price: int, quote: Ints) -> bool:
    """Whether a limit or stop price is reached: buys look at the ask, sells at the bid."""
    if side == "buy":
        return quote[1] <= price if kind == "limit" else quote[1] >= price
    return quote[0] >= price if kind == "limit" else quote[0] <= price


def trailed(placed: Event, stop: int | None, bid: int, ask: int) -> int | None:
    """Where a trailing stop loss is after this quote: it only ever becomes tighter."""
    sign, price = (1, bid) if placed["side"] == "buy" else (-1, ask)
    candidate: int = price - placed["trailing_points"] * sign
    return candidate if stop is None or (candidate - stop) * sign > 0 else stop


# --- the journal ---------------------------------------------------------------------------------


class Journal:
    """Takes the rows of an export in order; WrongError at the first that is wrong."""

    def __init__(self) -> None:
        self.book = Book()
        self.head, self.seq, self.epoch = bytes(32), 0, 0
        self._commands: set[str] = set()

    def feed(self, row: dict[str, Any]) -> Event:
        if row["seq"] != self.seq + 1:
            raise WrongError(f"comes after record {self.seq}")
        if row["epoch"] < self.epoch:
            raise WrongError(f"has epoch {row['epoch']} after {self.epoch}")
        data = base64.b64decode(row["body"], validate=True)
        if digest_of(self.head, row, data).hex() != row["digest"]:
            raise WrongError("does not carry the digest of its content and its predecessor")
        try:
            body: Event = Reader(data).whole()
            self._check(row, body)
        except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
            raise WrongError(f"cannot be followed ({type(error).__name__}: {error})") from error
        self.seq, self.epoch = row["seq"], row["epoch"]
        self.head = bytes.fromhex(row["digest"])
        return body

    def _check(self, row: dict[str, Any], body: Event) -> None:
        asked, found = body["stimulus"], body["events"]
        if asked["command_id"] != row["command_id"] or row["command_id"] in self._commands:
            raise WrongError("holds another command than its key says, or one that was there")
        if body["inputs"]["now_ms"] != row["at_ms"]:
            raise WrongError("was decided at another time than its key says")
        self._commands.add(row["command_id"])
        if [event["type"] for event in found] == ["command_refused"]:
            self._check_refused(body)
            return
        try:
            expected = self.book.events(body)
        except RefusalError as refusal:
            raise WrongError(f"accepts what must be refused ({refusal})") from None
        compare(expected, found)
        for event in found:
            self.book.apply(event)

    def _check_refused(self, body: Event) -> None:
        """People's commands may be refused; what a server tells only when it cannot be meant."""
        if body["stimulus"]["type"] in PEOPLE:
            return
        try:
            self.book.events(body)
        except RefusalError:
            return
        raise WrongError("refuses a report that had to be followed")


def compare(expected: list[Event], found: list[Event]) -> None:
    """WrongError that names the first event and field that differ; BeyondError when that is a
    kind of event, or a field in use, that this file has not been taught."""
    for event in found:
        if not hasattr(Book, f"_apply_{event['type']}"):
            raise BeyondError(f"holds an event {event['type']!r}")
    for number, (left, right) in enumerate(zip(expected, found, strict=False)):
        for name in [*left, *right]:
            unused: Any = UNUSED.get(f"{right['type']}.{name}", UNUSED.get(name, []))
            ours, theirs = left.get(name, unused), right.get(name, unused)  # one may not know it
            if name not in left and not theirs:
                continue
            if ours != theirs and name not in left:
                raise BeyondError(f"uses {name!r} of the event {left['type']!r}")
            if ours != theirs:
                where = f"event {number} ({left['type']}), {name}"
                raise WrongError(f"{where}: {differ(ours, theirs)}")
    if len(expected) != len(found):
        raise WrongError(f"holds {len(found)} events, {len(expected)} follow")


def differ(expected: Any, found: Any) -> str:
    """The two values, or of two lists the first place where they differ."""
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        at = next(i for i, pair in enumerate(zip(expected, found, strict=True)) if len({*pair}) > 1)
        return f"at {at} it says {found[at]}, {expected[at]} follows"
    return f"it says {str(found)[:80]}, {str(expected)[:80]} follows"


def rows(path: str) -> Iterator[dict[str, Any]]:
    with Path(path).open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def verify(path: str, known_head: str | None, show: int | None) -> Journal:
    """Raises WrongError with the record in its message; ValueError when it is no export."""
    journal, source = Journal(), rows(path)
    header = next(source, {})
    if header.get("format") != "prorata-journal" or header.get("version") != 1:
        raise ValueError("this is not a prorata-journal of version 1")
    end: dict[str, Any] = {}
    for row in source:
        if "end" in row:
            end = row["end"]
            break
        try:
            body = journal.feed(row)
        except (WrongError, BeyondError) as error:
            raise type(error)(f"record {row['seq']} {error}") from error
        if row["seq"] == show:
            print(json.dumps(body, indent=1))
    if journal.book.opened and journal.book.opened["book_id"] != header["book_id"]:
        raise WrongError("record 1 opens another book than the header names")
    if (end.get("records"), end.get("head")) != (journal.seq, journal.head.hex()):
        raise WrongError(f"record {journal.seq} is the last, but the export's end says otherwise")
    if known_head and known_head.lower() != journal.head.hex():
        raise WrongError(f"record {journal.seq} is the last, but its digest is not --head")
    return journal


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("file")
    parser.add_argument("--head", help="digest of the last record, as noted elsewhere (hex)")
    parser.add_argument("--show", type=int, metavar="SEQ", help="print what record SEQ holds")
    parser.add_argument("--balances", action="store_true", help="print the final balances")
    options = parser.parse_args()
    try:
        journal = verify(options.file, options.head, options.show)
    except WrongError as error:
        print(f"WRONG: {error}", file=sys.stderr)
        return 1
    except BeyondError as error:
        print(f"BEYOND THIS VERIFIER: {error}; what comes before it is right", file=sys.stderr)
        return 3
    except (OSError, KeyError, TypeError, ValueError) as error:
        print(f"not readable: {error}", file=sys.stderr)
        return 2
    if options.balances:
        for member in journal.book.members.values():
            print(f"{member.account_id}\t{member.currency}\t{member.balance}")
    counts = ", ".join(f"{name} {count}" for name, count in journal.book.counts.items())
    print(f"right: {journal.seq} records, {len(journal.book.members)} accounts, {counts}")
    print(f"head {journal.head.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
