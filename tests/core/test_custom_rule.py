"""A broker's own rule: sound ones are accepted, every kind of unsound one is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apps.core.allocation import AllocationRequest, Reason, Rule
from apps.core.allocation.custom import (
    CustomBook,
    CustomRule,
    Registry,
    allocate_custom,
    check,
)
from apps.core.allocation.split import largest_remainder
from apps.core.errors import ConflictError, InputError, NotFoundError, RejectedError
from apps.core.ints import Int64Array, int64


class SquareRoot(CustomRule):
    """Conserving: by the square root of equity, caps and minimum respected."""

    name, conserving = "square_root", True

    def shares(self, book: CustomBook) -> Int64Array:
        weights = np.maximum(np.sqrt(book.equity.astype(float)).astype(np.int64), 1)
        shares = largest_remainder(weights, book.account_ids, book.volume_steps).shares
        shares = np.minimum(shares, book.cap_steps)
        return np.where(shares < book.min_steps, 0, shares)


class StepPerThousand(CustomRule):
    """Derived: one step for every thousand minor units."""

    name, conserving = "step_per_thousand", False

    def shares(self, book: CustomBook) -> Int64Array:
        shares = np.minimum(book.equity // 1000, book.cap_steps)
        return np.where(shares < book.min_steps, 0, shares)


class _Unsound(CustomRule):
    name, conserving = "unsound", True

    def __init__(self, answer: Any, *, conserving: bool = True) -> None:
        self.answer, self.conserving = answer, conserving

    def shares(self, book: CustomBook) -> Any:
        return self.answer(book)


def _limited(book: CustomBook, shares: Int64Array) -> Int64Array:
    capped = np.minimum(shares, book.cap_steps)
    return np.where(capped < book.min_steps, 0, capped)


def _first_takes_all(book: CustomBook) -> Int64Array:
    shares = np.zeros(book.account_ids.size, dtype=np.int64)
    shares[0] = book.volume_steps
    return _limited(book, shares)


def _rounded_each(book: CustomBook) -> Int64Array:
    """The classic: every share rounded on its own, the sum is off."""
    rounded = np.rint(book.volume_steps * book.equity / book.equity.sum()).astype(np.int64)
    return _limited(book, rounded)


class _Counting:
    calls = 0

    def __call__(self, book: CustomBook) -> Int64Array:
        self.calls += 1
        return int64([self.calls] * book.account_ids.size)


def _raises(book: CustomBook) -> Int64Array:
    raise ZeroDivisionError("no equity")


UNSOUND = {
    "negative": (lambda b: -np.ones(b.account_ids.size, dtype=np.int64), "negative"),
    "fractions": (lambda b: b.volume_steps * b.equity / b.equity.sum(), "whole steps"),
    "too few": (lambda b: [], "answered 0 shares"),
    "sum": (_rounded_each, "sum"),
    "order": (_first_takes_all, "order"),
    "raises": (_raises, "ZeroDivisionError"),
    "nothing": (lambda b: np.zeros(b.account_ids.size, dtype=np.int64), "sum"),
}


@pytest.mark.parametrize("rule", [SquareRoot(), StepPerThousand()], ids=lambda rule: rule.name)
def test_a_sound_rule_is_accepted(rule: CustomRule) -> None:
    Registry().register(rule, books=400)


@pytest.mark.parametrize("kind", UNSOUND)
def test_an_unsound_rule_is_refused_with_a_small_counter_example(kind: str) -> None:
    answer, word = UNSOUND[kind]
    with pytest.raises(InputError) as caught:
        Registry().register(_Unsound(answer))
    assert caught.value.code == "custom_rule_refused"
    assert word in caught.value.details["invariant"]
    assert len(caught.value.details["book"]["account_ids"]) <= 3
    assert caught.value.details["answer"]


def test_a_rule_that_ignores_caps_or_the_minimum_is_refused() -> None:
    def unlimited(book: CustomBook) -> Int64Array:
        ones = np.ones(book.account_ids.size, dtype=np.int64)
        return largest_remainder(ones, book.account_ids, book.volume_steps).shares

    broken = check(_Unsound(unlimited))
    assert broken is not None
    assert "cap" in broken.invariant or "minimum" in broken.invariant


def test_a_derived_rule_that_looks_at_the_others_is_refused() -> None:
    def share_of_all(book: CustomBook) -> Int64Array:
        shares = np.minimum(100 * book.equity // book.equity.sum(), book.cap_steps)
        return np.where(shares < book.min_steps, 0, shares)

    broken = check(_Unsound(share_of_all, conserving=False))
    assert broken is not None
    assert "another account leaves" in broken.invariant


def test_a_rule_with_a_memory_is_refused() -> None:
    broken = check(_Unsound(_Counting(), conserving=False))
    assert broken is not None


def _request(name: str, **changes: Any) -> AllocationRequest:
    fields: dict[str, Any] = {
        "rule": Rule(method="custom", custom=name),  # type: ignore[arg-type]
        "volume_steps": 100,
        "account_ids": int64([1, 2, 3]),
        "equity": int64([900, 400, 100]),
        "exclusion": np.array([0, 0, Reason.PAUSED], dtype=np.int8),
    }
    return AllocationRequest(**{**fields, **changes})


def test_a_registered_rule_allocates_and_explains_like_any_other() -> None:
    registry = Registry()
    registry.register(SquareRoot(), books=200)
    result = allocate_custom(registry, _request("square_root"))
    assert result.steps.tolist() == [60, 40, 0]
    assert result.conserving
    assert result.row(2).reason is Reason.PAUSED


def test_a_rule_that_breaks_later_is_rejected_not_obeyed() -> None:
    registry = Registry()
    rule = SquareRoot()
    registry.register(rule, books=50)
    rule.shares = lambda book: np.full(book.account_ids.size, 99)  # type: ignore[method-assign]
    with pytest.raises(RejectedError) as caught:
        allocate_custom(registry, _request("square_root"))
    assert caught.value.code == "custom_rule_broke"


def test_names_are_unique_and_known() -> None:
    registry = Registry()
    registry.register(SquareRoot(), books=20)
    with pytest.raises(ConflictError):
        registry.register(SquareRoot(), books=20)
    with pytest.raises(NotFoundError):
        allocate_custom(registry, _request("elsewhere"))
