"""Figures read the same wherever they are written: on the server or by the page."""

from __future__ import annotations

import json
import random
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from tenants import figures
from tenants.figures import Marks
from tests.front.people import node

JS = Path(settings.BASE_DIR) / "static/js/format.js"
EN = Marks(".", ",")
MARKS = [EN, Marks(",", "."), Marks(",", "\N{NO-BREAK SPACE}"), Marks(".", "’")]


def render(source: str, **context: object) -> str:
    return Template("{% load figures %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123456, "USD", "1,234.56"),
        (-5, "USD", "−0.05"),
        (0, "USD", "0.00"),
        (98765, "JPY", "98,765"),
        (1234567, "KWD", "1,234.567"),
        (10**18, "USD", "10,000,000,000,000,000.00"),
    ],
)
def test_money_is_written_from_minor_units(minor: int, currency: str, text: str) -> None:
    assert figures.money_text(minor, currency, EN) == text


@given(st.integers(-(2**63), 2**63), st.integers(0, 8))
def test_the_text_holds_the_value_exactly(value: int, digits: int) -> None:
    text = figures.scaled_text(value, digits, EN, signed=True)
    back = Decimal(text.replace(",", "").replace(figures.MINUS, "-"))
    assert back * 10**digits == value
    assert text.startswith(figures.MINUS if value < 0 else "+" if value > 0 else "0")


@pytest.mark.parametrize(
    ("steps", "step", "text"),
    [
        (130, "0.01", "1.30"),
        (1, "0.001", "0.001"),
        (5, "1", "5"),
        (7, "0.1", "0.7"),
        (3, "10", "30"),
    ],
)
def test_lots_have_the_decimals_of_the_step(steps: int, step: str, text: str) -> None:
    assert figures.lots_text(steps, Decimal(step), EN) == text


@pytest.mark.parametrize(
    ("minor", "mark", "text"),
    [(845233, "▲", "+8,452.33"), (-114380, "▼", "−1,143.80"), (0, "•", "0.00"), (None, "", "–")],
)
def test_profit_is_told_by_mark_sign_and_unit(minor: int | None, mark: str, text: str) -> None:
    html = render("{% pnl minor 'USD' %}", minor=minor)
    assert f'aria-hidden="true">{mark}</span>' in html
    assert f"data-figure>{text}<" in html
    assert "USD" in html


def test_the_language_gives_the_separators() -> None:
    with translation.override("de"):
        assert "1.234,56" in render("{% money 123456 'USD' %}")
        assert "108542" not in render("{% price 108542 5 %}")


def test_a_unit_cannot_carry_markup() -> None:
    assert "<b>" not in render("{% money 1 unit %}", unit="<b>")


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(-50, "0 s"), (999, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (86_400_000 * 3, "3 d")],
)
def test_an_age_has_one_unit(age_ms: int, text: str) -> None:
    assert figures.age_text(age_ms) == text


def test_old_data_is_called_stale_by_the_server_already() -> None:
    assert 'data-state="stale"' in render("{% freshness 1000 %}")
    assert 'data-state="connecting"' in render("{% freshness %}")


def cases() -> list[dict[str, Any]]:
    """Random calls with the server's answers; the seed is fixed so that a failure repeats."""
    rng = random.Random(20)
    made: list[dict[str, Any]] = []
    for _ in range(150):
        marks = rng.choice(MARKS)
        value = rng.choice([rng.randint(-(10**6), 10**6), rng.randint(-(2**62), 2**62), 0])
        currency = rng.choice(["USD", "JPY", "KWD", "EUR"])
        digits, step = rng.randint(0, 6), rng.choice(["0.01", "0.001", "1", "0.1", "10", "0.10"])
        ppm, places = rng.randint(-5_000_000, 5_000_000), rng.randint(0, 5)
        want = {
            "moneyText": figures.money_text(value, currency, marks),
            "pnl": figures.money_text(value, currency, marks, signed=True),
            "priceText": figures.price_text(value, digits, marks),
            "lotsText": figures.lots_text(value, Decimal(step), marks),
            "percentText": figures.percent_text(Decimal(ppm) / 10**6, places, marks),
            "ageText": figures.age_text(abs(value) % 10**10),
        }
        made.append(
            {"marks": [marks.decimal, marks.group], "value": str(value), "currency": currency,
             "digits": digits, "step": step, "ppm": ppm, "places": places, "want": want}
        )  # fmt: skip
    return made


PROGRAM = """
import * as f from %s;
let text = "";
for await (const part of process.stdin) text += part;
const wrong = [];
for (const c of JSON.parse(text)) {
  const separators = { decimal: c.marks[0], group: c.marks[1] };
  const value = BigInt(c.value);
  const got = {
    moneyText: f.moneyText(value, c.currency, { separators }),
    pnl: f.moneyText(value, c.currency, { separators, signed: true }),
    priceText: f.priceText(value, c.digits, { separators }),
    lotsText: f.lotsText(value, c.step, { separators }),
    percentText: f.percentText(c.ppm, c.places, { separators }),
    ageText: f.ageText(Number((value < 0n ? -value : value) %% 10000000000n)),
  };
  for (const name in got) if (got[name] !== c.want[name]) wrong.push([name, c, got[name]]);
}
console.log(JSON.stringify(wrong));
"""


def test_the_pages_formatters_agree_with_the_servers() -> None:
    program = PROGRAM % json.dumps(JS.as_uri())
    done = subprocess.run(
        [node(), "--input-type=module", "-e", program],
        input=json.dumps(cases()), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == []
