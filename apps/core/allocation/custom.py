"""A broker's own rule: a small class, accepted only after its invariants were checked.

    class EqualButFirst(CustomRule):
        name = "equal_but_first"
        conserving = True
        def shares(self, book): ...                # whole steps, one per account of the book

    registry.register(EqualButFirst())           # refused with a counter-example, or active
    result = allocate_custom(registry, request)  # its rule: Rule(method="custom", custom=name)

What must hold on every book: as many answers as accounts, whole, none negative; the same answer
for the same book; independent of the order of the accounts; caps and minimum respected; and
  conserving: Σ shares = volume where no cap and no minimum is in the way, never above it;
  derived: an account's share does not change when another account leaves.
The same is checked again on every live answer (except order and repetition), and caps and
minimum are applied by the platform once more: a rule that breaks later is rejected, not obeyed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from apps.core.allocation.allocate import allocate
from apps.core.allocation.methods import exclusions
from apps.core.allocation.request import NO_CAP, AllocationRequest, AllocationResult
from apps.core.allocation.rule import Method
from apps.core.errors import ConflictError, InputError, NotFoundError, RejectedError
from apps.core.ints import Int64Array, int64

Shares = Sequence[int] | Int64Array


@dataclass(frozen=True, slots=True)
class CustomBook:
    """What a custom rule sees: the accounts that take part, int64[n] vectors, any order.

    equity, balance: minor units of the common currency; parameter: the link's number × 10**6;
    cap_steps: at most this (NO_CAP = none); min_steps: less than this is not sent.
    """

    volume_steps: int
    min_steps: int
    account_ids: Int64Array
    equity: Int64Array
    balance: Int64Array
    parameter: Int64Array
    cap_steps: Int64Array

    def at(self, indices: Int64Array) -> CustomBook:
        """The book with only these accounts, in this order."""
        return CustomBook(
            self.volume_steps,
            self.min_steps,
            self.account_ids[indices],
            self.equity[indices],
            self.balance[indices],
            self.parameter[indices],
            self.cap_steps[indices],
        )

    def as_dict(self) -> dict[str, object]:
        """JSON-ready, for the counter-example."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }


class CustomRule(ABC):
    """Subclass, name it, say its family, and answer `shares`."""

    name: str
    conserving: bool

    @abstractmethod
    def shares(self, book: CustomBook) -> Shares:
        """Whole steps for each account of `book`, aligned with it."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken invariant and the smallest book found that shows it."""

    invariant: str
    book: CustomBook
    answer: str


class Registry:
    """The active custom rules of one broker, by name."""

    def __init__(self) -> None:
        self._rules: dict[str, CustomRule] = {}

    def register(self, rule: CustomRule, *, books: int = 2000, seed: int = 1) -> None:
        """Check and activate. InputError `custom_rule_refused` carries the counter-example."""
        if rule.name in self._rules:
            raise ConflictError("custom_rule_exists", f"{rule.name} is active already")
        broken = check(rule, books=books, seed=seed)
        if broken is not None:
            raise InputError(
                "custom_rule_refused",
                f"{rule.name}: {broken.invariant}",
                invariant=broken.invariant,
                book=broken.book.as_dict(),
                answer=broken.answer,
            )
        self._rules[rule.name] = rule

    def get(self, name: str) -> CustomRule:
        if name not in self._rules:
            raise NotFoundError("custom_rule_unknown", f"no active custom rule {name!r}")
        return self._rules[name]


def allocate_custom(registry: Registry, request: AllocationRequest) -> AllocationResult:
    """One allocation by a registered rule. RejectedError `custom_rule_broke` on a bad answer."""
    if request.rule.method is not Method.CUSTOM:
        raise InputError("bad_rule_option", "the rule's method is not custom", field="method")
    rule = registry.get(request.rule.custom)
    size = request.account_ids.size
    part = np.flatnonzero(exclusions(request) == 0)
    nothing = np.zeros(size, dtype=np.int64)
    whole = CustomBook(
        request.volume_steps,
        request.min_steps,
        request.account_ids,
        nothing if request.equity is None else request.equity,
        nothing if request.balance is None else request.balance,
        nothing if request.parameter is None else request.parameter,
        np.full(size, NO_CAP) if request.cap_steps is None else request.cap_steps,
    )
    book = whole.at(part)
    answer, problem = _answer(rule, book)
    problem = problem or _alone(rule, book, answer)
    if problem:
        raise RejectedError("custom_rule_broke", f"{rule.name}: {problem}", rule=rule.name)
    steps = nothing.copy()
    steps[part] = answer
    result = allocate(replace(request, custom_steps=steps))
    return replace(result, conserving=rule.conserving)


def check(rule: CustomRule, *, books: int = 2000, seed: int = 1) -> Broken | None:
    """Run `rule` on `books` generated books; the first broken invariant, made small, or None."""
    generator = np.random.default_rng(seed)
    for number in range(books):
        book = _generated(generator, number)
        invariant = broken_invariant(rule, book)
        if invariant:
            return _shrunk(rule, book, invariant)
    return None


def broken_invariant(rule: CustomRule, book: CustomBook) -> str:
    """Which invariant `rule` breaks on `book`; empty when none."""
    answer, problem = _answer(rule, book)
    if problem:
        return problem
    problem = _alone(rule, book, answer)
    if problem:
        return problem
    again, problem = _answer(rule, book)
    if problem or not np.array_equal(answer, again):
        return "the same book gives another answer the second time"
    turned = np.argsort(book.account_ids)[::-1]
    other, problem = _answer(rule, book.at(turned))
    if problem or not np.array_equal(answer[turned], other):
        return "the answer depends on the order of the accounts"
    if not rule.conserving and book.account_ids.size > 1:
        rest = np.arange(1, book.account_ids.size)
        other, problem = _answer(rule, book.at(rest))
        if problem or not np.array_equal(answer[1:], other):
            return "derived, yet a share changes when another account leaves"
    return ""


def _answer(rule: CustomRule, book: CustomBook) -> tuple[Int64Array, str]:
    """The rule's shares as int64, or why they are none."""
    nothing = np.zeros(book.account_ids.size, dtype=np.int64)
    try:
        raw = np.asarray(rule.shares(book))
    except Exception as error:  # foreign code: whatever it raises is its answer
        return nothing, f"raised {type(error).__name__}: {error}"
    if raw.shape != book.account_ids.shape:
        return nothing, f"answered {raw.size} shares for {book.account_ids.size} accounts"
    if raw.dtype.kind not in "iu":
        return nothing, "shares are not whole steps"
    return int64(raw), ""


def _alone(rule: CustomRule, book: CustomBook, shares: Int64Array) -> str:
    """The invariants that one answer shows by itself."""
    if bool(np.any(shares < 0)):
        return "a share is negative"
    if bool(np.any(shares > book.cap_steps)):
        return "a share is above its cap"
    if bool(np.any((shares > 0) & (shares < book.min_steps))):
        return "a share is below the minimum lot"
    if rule.conserving and shares.size:
        total = sum(shares.tolist())
        unhindered = book.min_steps <= 1 and bool(np.all(book.cap_steps >= book.volume_steps))
        if total > book.volume_steps or (unhindered and total != book.volume_steps):
            return f"the shares sum to {total} of {book.volume_steps} steps"
    return ""


def _generated(generator: np.random.Generator, number: int) -> CustomBook:
    """Book `number`: small first, ties and large amounts among them, every other one hindered."""
    size = 1 + min(number // 40, int(generator.integers(0, 12)))
    ids = generator.choice(np.arange(1, 1000), size, replace=False).astype(np.int64)
    money_top = int(generator.choice([3, 1000, 10**8, 10**12]))
    hindered = number % 2 == 1
    volume = int(generator.integers(1, 1000))
    cap = (
        generator.integers(0, volume + 2, size, dtype=np.int64)
        if hindered
        else np.full(size, NO_CAP, dtype=np.int64)
    )
    return CustomBook(
        volume,
        int(generator.integers(1, 20)) if hindered else 1,
        ids,
        generator.integers(1, money_top + 1, size, dtype=np.int64),
        generator.integers(1, money_top + 1, size, dtype=np.int64),
        generator.integers(1, 100, size, dtype=np.int64) * 1_000_000,
        cap,
    )


def _shrunk(rule: CustomRule, book: CustomBook, invariant: str) -> Broken:
    """A smaller book with the same kind of fault: fewer accounts, then a smaller volume."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _simpler(book):
            found = broken_invariant(rule, candidate)
            if found:
                book, invariant, smaller = candidate, found, True
                break
    try:
        answer = repr(list(rule.shares(book)))
    except Exception as error:  # foreign code, as above
        answer = f"{type(error).__name__}: {error}"
    return Broken(invariant, book, answer)


def _simpler(book: CustomBook) -> list[CustomBook]:
    size = book.account_ids.size
    fewer = [book.at(np.delete(np.arange(size), gone)) for gone in range(size) if size > 1]
    volumes = sorted({book.volume_steps // 2, book.volume_steps - 1} - {0, book.volume_steps})
    return [*fewer, *(replace(book, volume_steps=volume) for volume in volumes)]
