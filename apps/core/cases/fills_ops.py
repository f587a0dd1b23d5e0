"""Ops vwap, cumulative_apportion, partial_close."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from apps.core.allocation import apportion, close_percent_each, partial_close
from apps.core.cases.allocation_ops import account_numbers
from apps.core.cases.case import PRIMARY, Case, Outputs, number, side_of
from apps.core.ints import Int64Array, int64
from apps.core.lots import lots_of, steps_down, steps_of
from apps.core.money import round_money
from apps.core.positions import book_price, vwap


def vwap_op(case: Case) -> Outputs:
    """Average price of fills, as booked, and what the house account takes."""
    fills = [(number(quantity), number(price)) for quantity, price in case.inputs["fills"]]
    average = vwap(fills)
    outputs: Outputs = {PRIMARY: average, "vwap": average}
    for match in case.matching(r"vwap_(\d+)dp"):
        outputs[match[0]] = round_money(average, int(match[1]))
    if "digits" in case:
        booked = book_price(
            fills,
            side_of(case.get("side", "buy")),
            int(case.get("digits")),
            case.number("contract", default="1"),
        )
        outputs["booked_price"] = booked.price
        outputs["house_rounding_pnl_quote"] = round_money(booked.house_difference, 2)
    return outputs


def _totals(case: Case) -> list[Any]:
    """Cumulative volumes, given or summed up from the fills."""
    if "cumulative" in case:
        return list(case.inputs["cumulative"])
    return [str(total) for total in accumulate(Decimal(str(fill)) for fill in case.inputs["fills"])]


class _Book:
    """Named positions in steps."""

    def __init__(self, lots: Mapping[str, Any], step: Decimal) -> None:
        self.names = [str(name) for name in lots]
        numbers = account_numbers([{"id": name} for name in self.names])
        self.ids = int64([numbers[name] for name in self.names])
        self.step = step
        self.steps = int64([steps_of(number(value), number(str(step))) for value in lots.values()])

    def lots(self, steps: Int64Array) -> dict[str, Decimal]:
        return {
            name: lots_of(int(value), self.step)
            for name, value in zip(self.names, steps, strict=True)
        }


def apportion_op(case: Case) -> Outputs:
    """Cumulative allocation after every fill."""
    step = Decimal(str(case.get("step", "0.01")))
    book = _Book(case.inputs["targets"], step)
    given = np.zeros(book.steps.size, dtype=np.int64)
    states: list[Int64Array] = []
    totals = [steps_of(number(total), number(str(step))) for total in _totals(case)]
    for total in totals:
        given = given + apportion(book.steps, given, total, book.ids)
        states.append(given)
    cumulative = [book.lots(state) for state in states]
    before = [np.zeros_like(given), *states[:-1]]
    increments = [now - then for now, then in zip(states, before, strict=True)]
    return {
        PRIMARY: cumulative,
        "cumulative_alloc": cumulative,
        "increments": [book.lots(increment) for increment in increments],
        "hamilton_rerun_is_wrong": cumulative,
        "invariants": [name for name, holds in _invariants(book, states, totals) if holds],
    }


def _invariants(book: _Book, states: list[Int64Array], totals: list[int]) -> list[tuple[str, bool]]:
    """The rule's invariants, tested on these fills."""
    block = int(book.steps.sum())
    pairs = list(zip(states, totals, strict=True))
    growing = all(bool(np.all(later >= sooner)) for sooner, later in pairwise(states))
    near = all(
        bool(np.all(np.abs(2 * (state * block - book.steps * total)) < 3 * block))
        for state, total in pairs
    )
    last = totals[-1] == block and bool(np.array_equal(states[-1], book.steps))
    return [
        ("sum = cumulative fill", all(int(state.sum()) == total for state, total in pairs)),
        ("non-decreasing per account", growing),
        ("|alloc - exact pro rata| < 1.5 step", near),
        ("last = targets", last),
    ]


def partial_close_op(case: Case) -> Outputs:
    """Closes in parts, cumulative; or the same percentage of every account."""
    step = Decimal(str(case.get("step", "0.01")))
    book = _Book(case.inputs["positions"], step)
    minimum = max(1, -steps_down(-case.number("min_lot", default=str(step)), number(str(step))))
    if str(case.get("convention", "cumulative")) == "per_account_percent":
        percent = case.number("close_percent", "percent") / 100
        closed = close_percent_each(book.steps, percent.numerator, percent.denominator, minimum)
        lots = book.lots(closed)
        left = book.lots(book.steps - closed)
        return {PRIMARY: lots, "closed": lots, "remaining": left}
    return _cumulative(case, book, minimum)


def _cumulative(case: Case, book: _Book, minimum: int) -> Outputs:
    """Closes of the master, in lots; {"detach": id} among them takes an account out."""
    unit = number(str(book.step))
    master = steps_of(case.number("master_volume"), unit)
    open_steps, closed_before = book.steps, np.zeros(book.steps.size, dtype=np.int64)
    closed, closed_master = np.zeros_like(open_steps), 0
    states, left = [], []
    for close in case.inputs["closes"]:
        if isinstance(close, Mapping):
            # Re-based: what is open now is the whole of what later closes divide.
            closed_before, open_steps = closed_before + closed, open_steps - closed
            open_steps = np.where(np.array(book.names) == str(close["detach"]), 0, open_steps)
            master, closed, closed_master = master - closed_master, np.zeros_like(closed), 0
            continue
        share = str(close).endswith("%")
        lots = number(close) * (case.number("master_volume") if share else 1)
        closed_master += steps_of(lots, unit)
        closed = closed + partial_close(
            open_steps, closed, closed_master, master, book.ids, minimum
        )
        states.append(book.lots(closed_before + closed))
        left.append(book.lots(open_steps - closed))
    outputs: Outputs = {
        PRIMARY: states,
        "cumulative_closed": states,
        "remaining": left,
        "remaining_after_last": left[-1],
    }
    for position, word in enumerate(_ORDINALS[: len(left)]):
        outputs[f"remaining_after_{word}"] = left[position]
        outputs[f"remaining_after_{position + 1}"] = left[position]
    return outputs


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")

OPS: dict[str, Callable[[Case], Outputs]] = {
    "vwap": vwap_op,
    "cumulative_apportion": apportion_op,
    "partial_close": partial_close_op,
}
