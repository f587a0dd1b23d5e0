"""The drills in their short form, on a stack of their own; and the mutant, which must fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def drill(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.launcher", "drill", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_happens_twice_whatever_dies() -> None:
    status, said = drill("kill", "server", "database", "redis")
    assert "✗" not in said, said
    assert status == 0, said
    assert said.count("the server executed every order once") == 4


@pytest.mark.slow
def test_deals_taken_back_and_clocks_that_jump_leave_the_books_equal() -> None:
    status, said = drill("bust", "clock")
    assert "✗" not in said, said
    assert status == 0, said
    assert said.count("the server executed every order once") == 2


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_loses_nothing_that_was_acknowledged() -> None:
    status, said = drill("disk")
    assert "✗" not in said, said
    assert status == 0, said
    assert "PostgreSQL said DiskFull" in said


@pytest.mark.slow
def test_an_engine_that_sends_again_with_a_fresh_id_is_caught() -> None:
    status, said = drill("mutant")
    assert status == 1, said
    assert "✗ the server executed every order once" in said
    assert "✓ nothing acknowledged was lost" in said


def test_a_drill_that_is_not_there_is_said() -> None:
    status, said = drill("earthquake")
    assert (status, "no such drill: earthquake" in said) == (1, True)
