"""The rules as their definitions read: one step at a time, in Fractions. Slow and plain."""

from __future__ import annotations

from fractions import Fraction


def one_step_at_a_time(
    weights: list[int], ids: list[int], volume: int, carries: list[Fraction]
) -> tuple[list[int], list[Fraction]]:
    """Largest remainder with carry, literally; returns shares and the new carries."""
    total = sum(weights)
    quotas = [Fraction(volume * weight, total) for weight in weights]
    given = [0] * len(weights)
    for _ in range(volume):
        best = max(
            range(len(weights)),
            key=lambda i: (carries[i] + quotas[i] - given[i], weights[i], -ids[i]),
        )
        given[best] += 1
    return given, [c + q - g for c, q, g in zip(carries, quotas, given, strict=True)]


def hamilton(weights: list[int], ids: list[int], volume: int) -> list[int]:
    """Floors, then one step each to the largest remainders."""
    total = sum(weights)
    shares = [volume * weight // total for weight in weights]
    order = sorted(
        range(len(weights)), key=lambda i: (-(volume * weights[i] % total), -weights[i], ids[i])
    )
    for index in order[: volume - sum(shares)]:
        shares[index] += 1
    return shares


def with_memory(targets: list[int], given: list[int], total: int, ids: list[int]) -> list[int]:
    """Hamilton with memory, literally; returns the increments."""
    block = sum(targets)
    now = list(given)
    while sum(now) < total:
        best = max(
            (i for i in range(len(targets)) if now[i] < targets[i]),
            key=lambda i: (Fraction(total * targets[i], block) - now[i], targets[i], -ids[i]),
        )
        now[best] += 1
    return [after - before for after, before in zip(now, given, strict=True)]
