"""Brand colours and the product's own are readable: WCAG 2.2 AA."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from tenants import brand_contrast as contrast
from tenants.brand import PLATFORM, BrandTokens
from tenants.demo_brands import DEMO_BRANDS

COLORS = st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}")
TOKENS = (Path(settings.BASE_DIR) / "static/css/tokens.css").read_text()


def token(name: str) -> tuple[str, str]:
    """(light, dark) of a custom property in tokens.css."""
    found = re.search(rf"--{name}: light-dark\((#[0-9a-f]{{6}}), (#[0-9a-f]{{6}})\)", TOKENS)
    assert found is not None, name
    return found.group(1), found.group(2)


def demo(slug: str) -> BrandTokens:
    return BrandTokens(version=1, **DEMO_BRANDS[slug])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_ratios_are_the_published_ones(one: str, other: str, ratio: float) -> None:
    assert contrast.contrast_ratio(one, other) == pytest.approx(ratio, abs=0.005)


@given(COLORS, COLORS)
def test_the_ratio_is_symmetric_and_bounded(one: str, other: str) -> None:
    ratio = contrast.contrast_ratio(one, other)
    assert ratio == contrast.contrast_ratio(other, one)
    assert 1 <= ratio <= 21.0000001


@given(COLORS)
def test_ink_on_any_brand_colour_is_readable(color: str) -> None:
    assert contrast.contrast_ratio(contrast.ink_on(color), color) >= contrast.AA_TEXT


@pytest.mark.parametrize("slug", sorted(DEMO_BRANDS))
def test_the_demo_brands_pass(slug: str) -> None:
    assert contrast.findings(demo(slug)) == []


def test_the_platforms_own_brand_passes() -> None:
    assert contrast.findings(PLATFORM) == []


def test_a_faint_colour_is_named_with_its_ratio() -> None:
    (found,) = contrast.findings(replace(PLATFORM, color_accent_light="#c9a227"))
    assert found.token == "color_accent_light"
    assert 1 < found.ratio < found.needed == 4.5


def test_a_colour_fit_for_light_is_not_passed_for_dark() -> None:
    found = contrast.findings(replace(PLATFORM, color_primary_dark="#1f4e79"))
    assert [each.token for each in found] == ["color_primary_dark"]


@pytest.mark.parametrize("ink", ["text", "text-muted", "up", "down", "warn", "info"])
def test_text_colours_are_readable_on_every_surface(ink: str) -> None:
    for surface in ("bg", "surface", "surface-2", "hover"):
        for theme in (0, 1):
            ratio = contrast.contrast_ratio(token(ink)[theme], token(surface)[theme])
            assert ratio >= 4.5, (ink, surface, theme, ratio)


@pytest.mark.parametrize("tone", ["up", "down", "warn", "info"])
def test_a_tone_is_readable_on_its_own_ground(tone: str) -> None:
    for theme in (0, 1):
        assert contrast.contrast_ratio(token(tone)[theme], token(f"{tone}-bg")[theme]) >= 4.5


def test_outlines_of_controls_reach_three_to_one() -> None:
    for surface in ("surface", "surface-2", "bg"):
        for theme in (0, 1):
            ratio = contrast.contrast_ratio(token("line-control")[theme], token(surface)[theme])
            assert ratio >= 3, (surface, theme, ratio)


def test_the_surfaces_checked_are_the_surfaces_painted() -> None:
    painted = [token(name) for name in ("surface", "surface-2", "bg")]
    assert tuple(light for light, _ in painted) == contrast.SURFACES_LIGHT
    assert tuple(dark for _, dark in painted) == contrast.SURFACES_DARK
