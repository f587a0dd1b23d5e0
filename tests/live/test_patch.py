"""A snapshot and the frames after it are a fresh snapshot: of any two states."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.live.patch import diff, merge

keys = st.sampled_from("abc")
leaves = st.sampled_from([0, 1, -5, "", "x", True, False]) | st.lists(st.just(1), max_size=2)
states: Any = st.recursive(
    st.dictionaries(keys, leaves, max_size=3),
    lambda inner: st.dictionaries(keys, leaves | inner, max_size=3),
    max_leaves=8,
)


@given(states, states)
def test_a_patch_leads_from_any_state_to_any_other(old: Any, new: Any) -> None:
    assert merge(old, diff(old, new)) == new


@given(states)
def test_nothing_changed_is_nothing_sent(state: Any) -> None:
    assert diff(state, state) == {}


@given(states, states)
def test_making_and_applying_a_patch_changes_no_argument(old: Any, new: Any) -> None:
    kept_old, kept_new = repr(old), repr(new)
    merge(old, diff(old, new))
    assert (repr(old), repr(new)) == (kept_old, kept_new)
