"""Contrast of brand colours by WCAG 2.2 (relative luminance, success criteria 1.4.3 and 1.4.11).

The formulas are the ones of https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

from tenants.brand import BrandTokens

AA_TEXT = 4.5
# The surfaces of static/css/tokens.css on which brand colours are written.
SURFACES_LIGHT = ("#ffffff", "#f8f9fa", "#f3f5f6")
SURFACES_DARK = ("#15191d", "#1a1f24", "#0e1114")
INK = "#000000"
PAPER = "#ffffff"


@dataclass(frozen=True, slots=True)
class Finding:
    """One pair of colours that is too close; ratio is rounded down to two decimals."""

    token: str
    color: str
    against: str
    ratio: float
    needed: float


def luminance(color: str) -> float:
    """Relative luminance of '#rrggbb', 0 (black) to 1 (white)."""

    def linear(channel: int) -> float:
        value = channel / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(int(color[i : i + 2], 16)) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast_ratio(one: str, other: str) -> float:
    """1 (the same) to 21 (black on white)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def ink_on(color: str) -> str:
    """Black or white ink, whichever reads better on `color` (one of them always reaches 4.5)."""
    return max((PAPER, INK), key=lambda ink: contrast_ratio(ink, color))


def findings(tokens: BrandTokens) -> list[Finding]:
    """Every brand colour that is too faint on a surface it is written on. Empty means AA."""
    found: list[Finding] = []
    for theme, surfaces in (("light", SURFACES_LIGHT), ("dark", SURFACES_DARK)):
        for role in ("primary", "accent"):
            token = f"color_{role}_{theme}"
            color = getattr(tokens, token)
            worst = min(surfaces, key=lambda surface: contrast_ratio(color, surface))
            ratio = contrast_ratio(color, worst)
            if ratio < AA_TEXT:
                found.append(Finding(token, color, worst, int(ratio * 100) / 100, AA_TEXT))
    return found
