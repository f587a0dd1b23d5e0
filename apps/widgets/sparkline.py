"""A small curve as SVG points."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 96.0, 24.0


def points(values: Sequence[float]) -> tuple[str, str]:
    """`points` of a polyline in a box of WIDTH × HEIGHT, and the y of the starting value."""
    if len(values) < 2:
        return "", ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return HEIGHT - 1 - (value - low) / span * (HEIGHT - 2)

    step = WIDTH / (len(values) - 1)
    line = " ".join(f"{number * step:.1f},{y(value):.1f}" for number, value in enumerate(values))
    return line, f"{y(values[0]):.1f}"
