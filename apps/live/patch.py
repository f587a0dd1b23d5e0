"""JSON merge patches (RFC 7396): a snapshot is a state, a frame is what changed in it.

A state is nested dicts with str keys; leaves are str, int, bool or lists and never None (what is
not known is absent), because in a patch None means "gone". Lists are replaced whole.
`static/js/live-state.js` applies the same patches.
"""

from __future__ import annotations

from typing import Any

State = dict[str, Any]


def diff(old: State, new: State) -> State:
    """The smallest patch with `merge(old, diff(old, new)) == new`."""
    patch: State = {} if old.keys() <= new.keys() else {k: None for k in old if k not in new}
    for key, value in new.items():
        before = old.get(key)
        if before == value:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            patch[key] = diff(before, value)
        else:
            patch[key] = value
    return patch


def merge(state: State, patch: State) -> State:
    """`state` after `patch`; the arguments stay as they are."""
    merged = dict(state)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            before = merged.get(key)
            merged[key] = merge(before if isinstance(before, dict) else {}, value)
        else:
            merged[key] = value
    return merged
