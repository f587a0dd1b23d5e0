"""Every bench runs in its small form, and its result has a shape. No time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.launcher.bench import names

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.launcher", "bench", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_bench_runs_and_names_its_ratios(name: str) -> None:
    done = bench(name, "--quick", "--json")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout.splitlines()[-1])
    assert found
    assert all(isinstance(value, int | float) and value >= 0 for value in found.values()), found


def test_without_a_name_every_bench_is_told_with_what_it_measures() -> None:
    done = bench()
    assert done.returncode == 0, done.stdout
    told = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()}
    assert set(told) == set(names())
    assert all(len(about) > 20 for about in told.values())
