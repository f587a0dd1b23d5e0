"""The tests can fail: a few mutants here, all of them by `python -m tests.core.mutants`."""

from __future__ import annotations

import pytest

from tests.core.mutants import MUTANTS, ROOT, Mutant, killed

QUICK = ("reversal_keeps_the_average", "stop_below_only", "unknown_may_be_sent_again")


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in QUICK], ids=lambda m: m.name)
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    assert killed(mutant)


def test_every_mutant_still_has_its_place_in_the_code() -> None:
    for mutant in MUTANTS:
        source = (ROOT / "apps" / "core" / mutant.file).read_text(encoding="utf-8")
        assert source.count(mutant.old) == 1, mutant.name
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
