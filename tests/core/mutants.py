"""Mutants of the core that the tests must kill: `python -m tests.core.mutants [NAME …]`.

Each is one small, plausible mistake (a flipped comparison, a dropped tie rule, a float where an
integer belongs) made in a copy of the sources; the tests named must then fail. A survivor means
that a rule is not proven. Exit status 1 when any survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "[pytest]\naddopts = -p no:django -p no:cacheprovider\n"
# The first counter-example is enough: shrinking and explaining it is what takes time.
PROFILE = """
from hypothesis import Phase, settings
settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate])
settings.load_profile("mutants")
"""


class Mutant(NamedTuple):
    """`old` occurs exactly once in apps/core/`file`; `tests` are modules of tests/core."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "no_tie_to_the_larger_weight",
        "allocation/split.py",
        "by = (account_ids[tied], -weights[tied])",
        "by = (account_ids[tied], 0 * weights[tied])",
        ("test_split", "test_apportion"),
    ),
    Mutant(
        "tie_to_the_higher_id",
        "allocation/split.py",
        "by = (account_ids[tied], -weights[tied])",
        "by = (-account_ids[tied], -weights[tied])",
        ("test_split",),
    ),
    Mutant(
        "threshold_included",
        "allocation/split.py",
        "chosen: BoolArray = keys > threshold",
        "chosen: BoolArray = keys >= threshold",
        ("test_split",),
    ),
    Mutant(
        "guard_dropped_in_quotas",
        "allocation/split.py",
        "if fits(largest, volume):",
        "if True:",
        ("test_split",),
    ),
    Mutant(
        "float_quotas",
        "allocation/split.py",
        "        return weights * volume, total\n",
        "        return (weights * float(volume)).astype(np.int64), total\n",
        ("test_split", "test_allocate"),
    ),
    Mutant(
        "carry_sign",
        "allocation/split.py",
        "score = rest * (denominator // total) + carry.numerators * per_carry",
        "score = rest * (denominator // total) - carry.numerators * per_carry",
        ("test_split",),
    ),
    Mutant(
        "carry_forgotten",
        "allocation/split.py",
        "_left(floors - shares, fraction, denominator), denominator)",
        "_left(whole - shares, fraction, denominator), denominator)",
        ("test_split",),
    ),
    Mutant(
        "second_word_dropped",
        "allocation/split.py",
        "volume, rests=rest)",
        "volume)",
        ("test_split",),
    ),
    Mutant(
        "grid_carry_truncated",
        "allocation/split.py",
        "rounded = fraction + (2 * rest >= total)",
        "rounded = fraction",
        ("test_split",),
    ),
    Mutant(
        "weights_not_reduced",
        "allocation/split.py",
        "return weights // divisor if divisor > 1 else weights",
        "return weights",
        ("test_split",),
    ),
    Mutant(
        "carry_after_minimum",
        "allocation/allocate.py",
        "        carry=first.carry,\n",
        "        carry=_divide(request, weights, free & (steps > 0), volume).carry,\n",
        ("test_allocate",),
    ),
    Mutant(
        "cap_clips_at_equality_too",
        "allocation/allocate.py",
        "over = np.flatnonzero(live & (steps > limits.cap))",
        "over = np.flatnonzero(live & (steps >= limits.cap))",
        ("test_allocate", "test_allocate_options"),
    ),
    Mutant(
        "minimum_excludes_itself",
        "allocation/allocate.py",
        "low = np.flatnonzero(live & (steps < limits.minimum))",
        "low = np.flatnonzero(live & (steps <= limits.minimum))",
        ("test_allocate", "test_allocate_options"),
    ),
    Mutant(
        "one_pass_of_redistribution",
        "allocation/allocate.py",
        "        capped |= over\n",
        "        capped |= over\n        if capped.sum() > over.sum():\n            return steps\n",
        ("test_allocate", "test_allocate_options"),
    ),
    Mutant(
        "bump_beyond_the_volume",
        "allocation/allocate.py",
        "if affordable < int(free.sum()):",
        "if False:",
        ("test_allocate", "test_allocate_options"),
    ),
    Mutant(
        "round_robin_starts_over",
        "allocation/allocate.py",
        "start = 0 if after is None else",
        "start = 0 if True else",
        ("test_allocate", "test_allocate_options"),
    ),
    Mutant(
        "negative_equity_takes_part",
        "allocation/methods.py",
        "(request.needs(money) <= 0)",
        "(request.needs(money) == 0)",
        ("test_allocate",),
    ),
    Mutant(
        "derived_rounds_up",
        "allocation/methods.py",
        "            return top // bottom\n",
        "            return -(-top // bottom)\n",
        ("test_allocate",),
    ),
    Mutant(
        "percent_of_everybody",
        "allocation/methods.py",
        "np.where(taking_part & (weights > 0), weights, 0))\n            volume",
        "weights)\n            volume",
        ("test_allocate",),
    ),
    Mutant(
        "fills_by_hamilton_rerun",
        "allocation/apportion.py",
        "return serve(floors - given, rest,",
        "return serve(floors, rest,",
        ("test_apportion",),
    ),
    Mutant(
        "close_total_rounded_down",
        "allocation/apportion.py",
        "return half_up_div(closed_master_steps * sub_steps, master_steps)",
        "return closed_master_steps * sub_steps // master_steps",
        ("test_apportion",),
    ),
    Mutant(
        "stub_left_open",
        "allocation/apportion.py",
        "(left < min_steps)",
        "(left < 1)",
        ("test_apportion",),
    ),
    Mutant(
        "margin_room_rounded_up",
        "allocation/caps.py",
        "room // (costs * cost_factor)",
        "-(-room // (costs * cost_factor))",
        ("test_caps",),
    ),
    Mutant(
        "half_towards_zero",
        "ints.py",
        "doubled += values >> 63",
        "doubled += 0",
        ("test_pnl",),
    ),
    Mutant(
        "floor_instead_of_half_away",
        "ints.py",
        "magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)",
        "magnitude = abs(numerator) // denominator",
        ("test_pnl",),
    ),
    Mutant(
        "pnl_guard_dropped",
        "pnl.py",
        "if fits(max_abs(move), max_abs(steps)):",
        "if True:",
        ("test_pnl",),
    ),
    Mutant(
        "float_pnl",
        "ints.py",
        "return -magnitude if numerator < 0 else magnitude",
        "return round(numerator / denominator)",
        ("test_pnl",),
    ),
    Mutant(
        "proportional_withdrawal_by_amount",
        "fees/hwm.py",
        "return exact(hwm) * (exact(equity) - exact(withdrawal)) / exact(equity)",
        "return exact(hwm) - exact(withdrawal)",
        ("test_fees",),
    ),
    Mutant(
        "mark_before_the_fee",
        "fees/hwm.py",
        "return max(exact(hwm), exact(equity) - exact(fee)) if fee > 0 else exact(hwm)",
        "return exact(hwm)",
        ("test_fees",),
    ),
    Mutant(
        "soft_hurdle_above_only",
        "fees/performance.py",
        "return share * earned if earned >= least else ZERO",
        "return share * earned if earned > least else ZERO",
        ("test_fees",),
    ),
    Mutant(
        "loss_expires_early",
        "fees/performance.py",
        "first = self._period - self._lookback",
        "first = self._period - self._lookback + 1",
        ("test_fees", "test_cases"),
    ),
    Mutant(
        "last_party_floored_too",
        "fees/sharing.py",
        "return [*shares, left]",
        "return [*shares, floor_money(exact(whole) * parts[-1] / 100, digits)]",
        ("test_fees",),
    ),
    Mutant(
        "drawdown_from_the_start",
        "metrics/ratios.py",
        "curve / np.maximum.accumulate(curve) - 1",
        "curve / curve[0] - 1",
        ("test_metrics",),
    ),
    Mutant(
        "population_deviation",
        "metrics/ratios.py",
        "deviation = float(np.std(series, ddof=1))",
        "deviation = float(np.std(series, ddof=0))",
        ("test_metrics",),
    ),
    Mutant(
        "stop_below_only",
        "protection.py",
        "return exact(equity) <= exact(level)",
        "return exact(equity) < exact(level)",
        ("test_protection",),
    ),
    Mutant(
        "smallest_loss_first",
        "protection.py",
        "key=lambda position: exact(position[1]))",
        "key=lambda position: -exact(position[1]))",
        ("test_protection",),
    ),
    Mutant(
        "stop_out_at_the_level_goes_on",
        "margin.py",
        "return level is not None and level <= exact(threshold)",
        "return level is not None and level < exact(threshold)",
        ("test_positions_margin",),
    ),
    Mutant(
        "reversal_keeps_the_average",
        "positions.py",
        "deal_price if reversed_ else self.price",
        "self.price",
        ("test_positions_margin",),
    ),
    Mutant(
        "inverse_forgotten",
        "conversion.py",
        "return _WIDE.divide(Decimal(1), price) if inverse else price",
        "return price",
        ("test_positions_margin",),
    ),
    Mutant(
        "copies_before_the_original",
        "fraud/copying.py",
        "if same and 0 <= exact(copy.at_s)",
        "if same and -60 <= exact(copy.at_s)",
        ("test_fraud",),
    ),
    Mutant(
        "unknown_may_be_sent_again",
        "orders.py",
        "State.UNKNOWN: {**_ANSWERED, ",
        "State.UNKNOWN: {**_ANSWERED, Event.SEND: State.SENT, ",
        ("test_orders",),
    ),
    Mutant(
        "trailing_stop_follows_down",
        "orders.py",
        "if stop_loss is None or (candidate - stop_loss) * side > 0:",
        "if stop_loss is None or candidate != stop_loss:",
        ("test_orders",),
    ),
)


def killed(mutant: Mutant) -> bool:
    """Whether the tests fail on the mutant. ValueError when its place is no longer in the code."""
    source = (ROOT / "apps" / "core" / mutant.file).read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: its line occurs {source.count(mutant.old)} times")
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place)
        ignored = shutil.ignore_patterns("__pycache__", "book")
        shutil.copytree(ROOT / "apps" / "core", copy / "apps" / "core", ignore=ignored)
        shutil.copytree(ROOT / "tests" / "core", copy / "tests" / "core", ignore=ignored)
        for package in ("apps", "tests"):
            (copy / package / "__init__.py").touch()
        (copy / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
        (copy / "conftest.py").write_text(PROFILE, encoding="utf-8")
        changed = source.replace(mutant.old, mutant.new)
        (copy / "apps" / "core" / mutant.file).write_text(changed, encoding="utf-8")
        tests = [f"tests/core/{name}.py" for name in mutant.tests]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", *tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode not in (0, 1):
        raise ValueError(f"{mutant.name}: the tests did not run\n{done.stdout}{done.stderr}")
    return done.returncode == 1


def main(names: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    survivors = 0
    for mutant in chosen:
        dead = killed(mutant)
        survivors += not dead
        sys.stdout.write(f"{'killed  ' if dead else 'SURVIVED'} {mutant.name}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(chosen) - survivors} killed, {survivors} survived\n")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
