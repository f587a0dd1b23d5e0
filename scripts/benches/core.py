"""The core's two hot loops against plain Python doing the same, and against the floor of NumPy.

Allocation: proportional to equity, caps that bite, a minimum lot, carry-forward, reasons. Marking:
a frame that moves all of 50 symbols, over 10k, 100k and 1M positions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from apps.core import marking
from apps.core.allocation import NO_CAP, AllocationRequest, Carry, Reason, Rule, allocate
from apps.core.allocation.split import CARRY_GRID
from apps.core.ints import Int64Array
from apps.engine.memory import keep_freed_memory

NEEDS: tuple[str, ...] = ()
SIZES = (1_000, 10_000, 100_000)
POSITIONS = (10_000, 100_000, 1_000_000)
SYMBOLS = 50
MIN_STEPS = 2


def run(*, quick: bool = False) -> dict[str, float]:
    """Least times as ratios; the times themselves are printed."""
    keep_freed_memory()
    found: dict[str, float] = {}
    per_account: dict[int, float] = {}
    for size in SIZES[:1] if quick else SIZES:
        per_account[size] = _allocation(size, found) / size
    if not quick:
        found["allocate_100k_per_account_over_10k"] = per_account[100_000] / per_account[10_000]
    for positions in POSITIONS[:1] if quick else POSITIONS:
        _marking(positions, found)
    return {name: round(value, 4) for name, value in found.items()}


def _least_s(rounds: int, **actions: tuple[Callable[[], object], int]) -> dict[str, float]:
    """Least time of each action, (callable, repeats per round), the rounds interleaved.

    The least, as `timeit` has it: what else the machine does only adds to a time, and these
    actions wait for nothing.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, (action, repeats) in actions.items():
            for _ in range(repeats):
                started = time.perf_counter()
                action()
                times[name].append(time.perf_counter() - started)
    return {name: min(values) for name, values in times.items()}


def _allocation(size: int, found: dict[str, float]) -> float:
    request = _request(size)
    plain = _Plain.of(request)
    assert plain.integers() == allocate(request).steps.tolist()
    keys = request.needs("equity")
    repeats = max(10, 100_000 // size)
    times = _least_s(
        3 if size > 10_000 else 7,
        ours=(lambda: allocate(request), repeats),
        sort=(lambda: np.argsort(keys), repeats),
        integers=(plain.integers, 1),
        decimals=(plain.decimals, 1),
    )
    ours, sort = times["ours"], times["sort"]
    integers, decimals = times["integers"], times["decimals"]
    name = f"allocate_{size // 1000}k"
    print(
        f"{size:>9,} accounts  ours {ours * 1e3:8.3f} ms  integers {integers * 1e3:8.1f} ms  "
        f"Decimal {decimals * 1e3:8.1f} ms  argsort {sort * 1e3:7.3f} ms"
    )
    found[f"{name}_over_decimal"] = ours / decimals
    found[f"{name}_over_integers"] = ours / integers
    found[f"{name}_over_argsort"] = ours / sort
    return ours


def _request(size: int) -> AllocationRequest:
    """A second block, so that the carries are no longer zero; caps bite on about one in six."""
    generator = np.random.default_rng(7)
    first = AllocationRequest(
        rule=Rule(),
        volume_steps=12 * size,
        account_ids=np.arange(1, size + 1),
        equity=generator.integers(100_000, 50_000_000, size),
        exclusion=np.zeros(size, dtype=np.int8),
        min_steps=MIN_STEPS,
        cap_steps=np.where(generator.random(size) < 0.3, generator.integers(1, 30, size), NO_CAP),
        cap_reason=np.full(size, int(Reason.CAP_MARGIN), dtype=np.int8),
    )
    fields = {name: getattr(first, name) for name in first.__dataclass_fields__}
    carry = allocate(first).carry or Carry.zero(size)
    changed = first.needs("equity") + generator.integers(-9_000, 9_000, size)
    return AllocationRequest(**{**fields, "equity": changed, "carry": carry})


class _Plain(NamedTuple):
    """The same block in lists: what a straightforward Python program holds."""

    ids: list[int]
    equity: list[int]
    caps: list[int]
    carry: list[int]
    denominator: int
    volume: int

    @classmethod
    def of(cls, request: AllocationRequest) -> _Plain:
        carry = request.carry or Carry.zero(request.account_ids.size)
        assert request.cap_steps is not None
        return cls(
            request.account_ids.tolist(),
            request.needs("equity").tolist(),
            request.cap_steps.tolist(),
            Carry(carry.over(CARRY_GRID), CARRY_GRID).numerators.tolist(),
            CARRY_GRID,
            request.volume_steps,
        )

    def integers(self) -> list[int]:
        """Exact scores over one denominator, a sort, caps, minimum, reasons and carry."""
        total = sum(self.equity)
        unit = total * self.denominator
        scores = [
            self.volume * weight * self.denominator + carry * total
            for weight, carry in zip(self.equity, self.carry, strict=True)
        ]
        shares = [max(0, score // unit) for score in scores]
        self._settle(
            shares, [score - share * unit for score, share in zip(scores, shares, strict=True)]
        )
        carries = [
            (score - share * unit) * self.denominator // unit
            for score, share in zip(scores, shares, strict=True)
        ]
        return self._limited(shares) if carries else []

    def decimals(self) -> list[int]:
        """The same in Decimal, as money code is usually written."""
        total = sum(map(Decimal, self.equity))
        volume, denominator = Decimal(self.volume), Decimal(self.denominator)
        scores = [
            volume * Decimal(weight) / total + Decimal(carry) / denominator
            for weight, carry in zip(self.equity, self.carry, strict=True)
        ]
        shares = [max(0, int(score.to_integral_value(rounding="ROUND_FLOOR"))) for score in scores]
        rests = [score - share for score, share in zip(scores, shares, strict=True)]
        self._settle(shares, rests)
        carries = [score - share for score, share in zip(scores, shares, strict=True)]
        return self._limited(shares) if carries else []

    def _settle(self, shares: list[int], rests: list[int] | list[Decimal]) -> None:
        """The steps still missing (or too many) by the largest (smallest) rest."""
        order = sorted(range(len(shares)), key=lambda i: (-rests[i], -self.equity[i], self.ids[i]))
        missing = self.volume - sum(shares)
        for index in order[:missing] if missing > 0 else []:
            shares[index] += 1
        taken = (index for index in reversed(order) if shares[index] > 0)
        for _ in range(-missing):
            shares[next(taken)] -= 1

    def _limited(self, shares: list[int]) -> list[int]:
        limited, reasons = [], []
        for share, cap in zip(shares, self.caps, strict=True):
            reason = Reason.ALLOCATED
            if share > cap:
                share, reason = cap, Reason.CAP_MARGIN
            if share < MIN_STEPS:
                share, reason = 0, Reason.BELOW_MIN
            limited.append(share)
            reasons.append(reason)
        return limited


class _Ticket:
    """An object per position, as an ORM or an event handler would hold it."""

    __slots__ = ("account", "open_points", "pnl", "side", "steps", "symbol")

    def __init__(self, symbol: int, account: int, signed_steps: int) -> None:
        self.symbol, self.account = symbol, account
        self.side, self.steps = (1 if signed_steps > 0 else -1), abs(signed_steps)
        self.open_points, self.pnl = 0, 0

    def mark(self, points: int) -> int:
        """The change of its P/L at a new price."""
        before = self.pnl
        self.pnl = (points - self.open_points) * self.side * self.steps
        return self.pnl - before


def _marking(positions: int, found: dict[str, float]) -> None:
    generator = np.random.default_rng(11)
    accounts = positions // SYMBOLS
    symbols = np.repeat(np.arange(SYMBOLS), accounts)
    owners = np.tile(np.arange(accounts), SYMBOLS)
    steps = generator.integers(1, 200, positions) * generator.choice([-1, 1], positions)
    net = marking.fold(symbols, owners, steps, (SYMBOLS, accounts))
    moves = generator.integers(-30, 31, SYMBOLS)
    values = marking.weights([Fraction(1)] * SYMBOLS)
    equity = np.zeros(accounts, dtype=np.int64)
    tickets = [
        _Ticket(*row) for row in zip(symbols.tolist(), owners.tolist(), steps.tolist(), strict=True)
    ]
    prices, plain = moves.tolist(), [0] * accounts
    _loop(tickets, prices, plain)
    marking.remark(equity, net, moves, values)
    assert marking.shown(equity).tolist() == plain
    arrays = (symbols, owners, steps)
    targets = tuple(np.empty_like(array) for array in arrays)
    repeats = max(5, 1_000_000 // positions)
    times = _least_s(
        5,
        ours=(lambda: marking.remark(equity, net, moves, values), repeats),
        copying=(lambda: _copy(arrays, targets), repeats),
        objects=(lambda: _loop(tickets, prices, plain), 1),
    )
    ours, copying, objects = times["ours"], times["copying"], times["objects"]
    name = f"remark_{positions // 1000}k"
    print(
        f"{positions:>9,} positions ours {ours * 1e6:8.1f} µs  copying {copying * 1e6:8.1f} µs  "
        f"objects {objects * 1e3:8.1f} ms"
    )
    found[f"{name}_objects_over_ours"] = objects / ours
    found[f"{name}_copying_over_ours"] = copying / ours


def _copy(arrays: tuple[Int64Array, ...], targets: tuple[Int64Array, ...]) -> None:
    for array, target in zip(arrays, targets, strict=True):
        np.copyto(target, array)


def _loop(tickets: list[_Ticket], prices: list[int], equity: list[int]) -> list[int]:
    for ticket in tickets:
        equity[ticket.account] += ticket.mark(prices[ticket.symbol])
    return equity
