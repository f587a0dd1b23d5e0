"""The worked cases: all agree, every expected number is really compared, and failures show."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.core.cases.compare import Tolerance, mismatches
from apps.core.cases.runner import LEGENDS, OPS, evaluate

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT.parent / "shared" / "data" / "reference_cases.json"
CASES: list[dict[str, Any]] = (
    json.loads(FILE.read_text(encoding="utf-8"))["cases"] if FILE.exists() else []
)
needs_file = pytest.mark.skipif(not CASES, reason="the shared reference cases are not here")


@needs_file
def test_all_reference_cases_agree() -> None:
    problems = {case["id"]: found for case in CASES if (found := evaluate(case))}
    assert problems == {}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in the expected part, with the keys that lead to it."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    inner = list(items)
    if not inner:
        yield path, value
    for key, item in inner:
        yield from leaves(item, (*path, key))


def spoiled(value: Any) -> Any:
    """Another value of the same kind, past any tolerance."""
    if isinstance(value, bool) or value is None:
        return value is None or not value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value + "?"
        digits = len(value.partition(".")[2])
        return f"{number * 1.01 + 1:.{digits}f}"
    return value * 1.01 + 1


@needs_file
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_every_expected_value_is_really_compared(case: dict[str, Any]) -> None:
    for path, value in leaves(case["expected"]):
        if path[0] in LEGENDS or "wrong" in str(path[0]):
            continue
        changed = copy.deepcopy(case)
        parent = changed["expected"]
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = spoiled(value)
        assert evaluate(changed), f"{case['id']}: {path} is not compared"


@needs_file
def test_a_trap_is_a_failure_when_it_comes_out() -> None:
    (case,) = (case for case in CASES if case["id"] == "C-04")
    changed = copy.deepcopy(case)
    changed["expected"]["hamilton_rerun_is_wrong"] = case["expected"]["cumulative_alloc"][:2]
    assert evaluate(changed)


@needs_file
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_the_order_of_accounts_in_the_file_does_not_matter(case: dict[str, Any]) -> None:
    changed = copy.deepcopy(case)
    for key in ("accounts", "targets", "positions"):
        value = changed["inputs"].get(key)
        if isinstance(value, list) and case["op"] in {"allocate", "allocate_sequence", "stop_out"}:
            value.reverse()
        elif isinstance(value, dict):
            changed["inputs"][key] = dict(reversed(value.items()))
    assert evaluate(changed) == []


def test_an_unknown_op_an_empty_case_and_a_broken_input_are_failures() -> None:
    assert evaluate({"op": "levitate", "expected": {"a": 1}})
    assert evaluate({"op": "pnl", "inputs": {}, "expected": {}})
    assert evaluate({"op": "pnl", "inputs": {}, "expected": {"pnl": ["1.00"]}})
    assert evaluate({"op": "rounding", "inputs": {"values": ["x"]}, "expected": {"half_up": ["1"]}})


@pytest.mark.parametrize(
    ("expected", "found", "tolerance", "same"),
    [
        ("1.00", 1, "0", True),
        ("1.00", "1.004", "0", True),
        ("1.00", "1.005", "0", False),
        ("0.00", "-0.001", "0", True),
        ("1.0", "1.1", "0.1", True),
        ("1.0", "1.11", "0.1", False),
        (100.0, 100.0001, "1e-6 relative", True),
        (100.0, 100.1, "1e-6 relative", False),
        (None, None, "0", True),
        (None, 0, "0", False),
        (True, 1, "0", False),
        ("skip", "skip", "0", True),
        (["1"], ["1", "2"], "0", False),
        ({"a": "1"}, {}, "0", False),
    ],
)
def test_comparison(expected: Any, found: Any, tolerance: str, same: bool) -> None:
    assert (mismatches("x", expected, found, Tolerance.parse(tolerance)) == []) is same


def _run(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "apps.core.cases", str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_counts_and_its_status_says_whether_all_agree(tmp_path: Path) -> None:
    good = {
        "id": "R-1",
        "op": "rounding",
        "inputs": {"values": ["0.125"]},
        "expected": {"half_up": ["0.13"]},
    }
    bad = {**good, "id": "R-2", "expected": {"half_up": ["0.12"]}}
    unknown = {**good, "id": "R-3", "op": "levitate"}
    file = tmp_path / "cases.json"
    file.write_text(json.dumps({"cases": [good]}))
    assert _run(file).stdout == "1 passed, 0 failed\n"
    assert _run(file).returncode == 0
    file.write_text(json.dumps({"cases": [good, bad, unknown]}))
    answer = _run(file)
    assert answer.returncode == 1
    assert answer.stdout.splitlines()[-1] == "1 passed, 2 failed"
    assert "R-2 rounding half_up[0]: expected 0.12, found 0.13" in answer.stdout
    assert _run(tmp_path / "nowhere.json").returncode == 2


# Variations of the file's own ops, worked out by hand: options, currencies, signs, ties.
VARIATIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "allocate",
        {
            "method": "proportional_equity",
            "volume": "1.00",
            "step": "0.01",
            "rates": {"EUR": "1.10"},
            "accounts": [
                {"id": "1", "equity": "1000", "currency": "EUR"},
                {"id": "2", "equity": "900", "currency": "USD"},
                {"id": "3", "equity": "-5"},
            ],
        },
        {"alloc": {"1": "0.55", "2": "0.45", "3": "0.00"}, "reasons": {"3": "no_equity"}},
    ),
    (
        "allocate",
        {
            "method": "percent",
            "volume": "1.00",
            "step": "0.01",
            "accounts": [
                {"id": "1", "percent": "33.333"},
                {"id": "2", "percent": "33.333", "paused": True},
            ],
        },
        {"alloc": {"1": "0.33", "2": "0.00"}, "block": "0.33", "unallocated": "0.67"},
    ),
    (
        "allocate",
        {
            "method": "equal",
            "volume": "0.05",
            "step": "0.01",
            "accounts": [{"id": "9"}, {"id": "10"}, {"id": "2"}],
        },
        {
            "residual_policy=largest_remainder": {"2": "0.02", "9": "0.02", "10": "0.01"},
            "residual_policy=round_robin": {"2": "0.02", "9": "0.02", "10": "0.01"},
            "residual_policy=overflow_account & overflow_account=10": {
                "2": "0.01",
                "9": "0.01",
                "10": "0.03",
            },
        },
    ),
    (
        "allocate",
        {
            "method": "proportional_to_master",
            "volume": "1.00",
            "step": "0.01",
            "master_equity": "10000",
            "accounts": [{"id": "1", "equity": "2550"}, {"id": "2", "equity": "60"}],
        },
        {
            "alloc": {"1": "0.25", "2": "0.00"},
            "rounding=nearest_half_up": {"1": "0.26", "2": "0.01"},
            "below_min=bump_to_min": {"1": "0.25", "2": "0.01"},
        },
    ),
    (
        "pnl",
        {
            "rows": [
                {
                    "side": "sell", "lots": "0.10", "open": "150.00", "close": "149.505",
                    "contract": "100000", "quote_to_account": "1", "account_currency": "JPY",
                },
                {
                    "symbol": "EURGBP", "side": "buy", "lots": "1", "open": "0.8700",
                    "close": "0.8690", "contract": "100000", "account_currency": "USD",
                    "quotes": {"GBPUSD": "1.25"},
                },
            ]
        },
        {"pnl": ["4950", "-125.00"]},
    ),
    (
        "perf_fee_path",
        {
            "initial": "1000",
            "rate": "0.20",
            "hurdle": "0.10",
            "period_days": 365,
            "pnl": ["200", "-50", "50"],
        },
        {
            "hurdle_kind=hard": {"fee": ["20.00", "0.00", "0.00"], "hwm_after": ["1180.00"] * 3},
            "hurdle_kind=soft": {"fee": ["40.00", "0.00", "0.00"]},
            "hurdle_kind=investor_floor": ["40.00", "0.00", "0.00"],
        },
    ),
    (
        "hwm_flow",
        {"hwm": "120", "equity_before": "106", "deposit": "40"},
        {"hwm": "160.00", "equity": "146.00", "loss_to_recover": "14.00"},
    ),
    (
        "split",
        {"rows": [{"amount": "-782.95", "pct": ["70", "20", "10"]}], "mode": "flat"},
        {"parts": [["-548.06", "-156.59", "-78.30"]]},
    ),
    (
        "split",
        {"rows": [{"amount": "100.01", "pct": ["50", "50", "100"], "mode": "cascade"}]},
        {"parts": [["50.00", "25.00", "25.01"]]},
    ),
    (
        "rounding",
        {"values": ["0.5", "-1.5", "2.5"], "account_currency": "JPY"},
        {"half_up": ["1", "-2", "3"], "half_even": ["0", "-2", "2"]},
    ),
    (
        "partial_close",
        {
            "master_volume": "1.00",
            "positions": {"1": "0.30", "2": "0.70"},
            "step": "0.01",
            "closes": ["0.50", {"detach": "2"}, "0.50"],
        },
        {
            "cumulative_closed": [{"1": "0.15", "2": "0.35"}, {"1": "0.30", "2": "0.35"}],
            "remaining_after_last": {"1": "0.00", "2": "0.00"},
        },
    ),
    (
        "vwap",
        {
            "side": "sell",
            "fills": [["1.00", "1.10001"], ["2.00", "1.10002"]],
            "digits": 5,
            "contract": "100000",
        },
        {"booked_price": "1.10002", "house_rounding_pnl_quote": "-1.00"},
    ),
    (
        "swap",
        {
            "rows": [
                {
                    "lots": "1", "contract": "100", "price": "2000", "swap_percent": "-3.6",
                    "days": 3, "quote_to_account": "1",
                },
                {
                    "lots": "1", "contract": "100000", "point": "0.00001", "swap_points": "2",
                    "opened": "2026-03-02", "closed": "2026-03-06",
                },
            ]
        },
        {"swap": ["-60.00", "12.00"]},
    ),
    (
        "position_accounting",
        {
            "contract": "100000",
            "deals": [["buy", "1.00", "1.1000"], ["sell", "1.50", "1.1100"]],
        },
        {
            "netting": {
                "volume": "0.50", "side": "sell", "avg_price": "1.1100", "realised": "1000.00",
            },
            "netting_floating_at_1.1000": "500.00",
        },
    ),
    (
        "copy_score",
        {
            "window_s": 60,
            "master": [[n * 100, "EURUSD", "buy", "1"] for n in range(10)],
            "suspect": [[n * 100 + 5, "EURUSD", "sell", "2"] for n in range(10)],
        },
        {"matched": 0, "flag": False, "reverse": {"matched": 10, "flag": True}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "variation", VARIATIONS, ids=[f"{n}-{row[0]}" for n, row in enumerate(VARIATIONS)]
)
def test_variations_of_the_same_ops(variation: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    op, inputs, expected = variation
    assert op in OPS
    assert evaluate({"op": op, "inputs": inputs, "expected": expected}) == []
