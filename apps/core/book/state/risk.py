"""Limits, what they are measured from, and the stops that hold now."""

from __future__ import annotations

from uuid import UUID

import msgspec
import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.risk.settings import Party, Protection, StopPhase, StopReason
from apps.core.errors import StateError

STOP_STEPS: dict[tuple[StopPhase, str], StopPhase] = {
    ("close_only", "cancel"): "cancelling",
    ("cancelling", "close"): "closing",
    ("closing", "close_again"): "closing",
    ("closing", "ask"): "verifying",
    ("verifying", "still_open"): "closing",
    ("verifying", "flat"): "blocked",
}


def next_phase(phase: StopPhase, event: str) -> StopPhase:
    """The table above. Raises StateError for a pair it does not have."""
    try:
        return STOP_STEPS[phase, event]
    except KeyError:
        raise StateError(
            "stop_state", f"A stop that is {phase} cannot {event}.", phase=phase, event=event
        ) from None


class Stop(msgspec.Struct, kw_only=True):
    """One stop, of an account or of the book. `attempts`: how often closing was begun."""

    stop_id: UUID
    reason: StopReason
    party: Party
    phase: StopPhase = "close_only"
    attempts: int = 0
    not_before_ms: int = 0


class References(msgspec.Struct):
    """What limits are measured from, int64[n] each, in minor units of each account.

    initial: balance when watching began; peak: highest equity; best_balance: highest end-of-day
    balance; day_*: at the start of the broker's day. These move with deposits and withdrawals.
    since: a number of its own for every beginning.
    """

    account_ids: Vec = msgspec.field(default_factory=vec)
    initial: Vec = msgspec.field(default_factory=vec)
    peak: Vec = msgspec.field(default_factory=vec)
    best_balance: Vec = msgspec.field(default_factory=vec)
    day_balance: Vec = msgspec.field(default_factory=vec)
    day_equity: Vec = msgspec.field(default_factory=vec)
    since: Vec = msgspec.field(default_factory=vec)

    @property
    def size(self) -> int:
        return int(self.account_ids.size)

    @classmethod
    def begun(cls, account_ids: Vec, balance: Vec, equity: Vec, since: int = 0) -> References:
        """Vectors of their own: what is moved later is not what was given."""
        return cls(
            account_ids.copy(),
            balance.copy(),
            np.maximum(balance, equity),
            balance.copy(),
            balance.copy(),
            equity.copy(),
            np.full(account_ids.size, since, dtype=np.int64),
        )

    def at(self, account_ids: Vec) -> Vec:
        """Places of those of `account_ids` that are here, −1 for the others."""
        order = np.argsort(self.account_ids, kind="stable")
        found = np.searchsorted(self.account_ids, account_ids, sorter=order)
        found = np.minimum(found, max(self.size - 1, 0))
        if not self.size:
            return np.full(account_ids.size, -1, dtype=np.int64)
        places: Vec = order[found]
        return np.where(self.account_ids[places] == account_ids, places, -1)

    def flowed(self, places: Vec | int, amount_minor: int) -> None:
        """Money came or went: everything that limits are measured from moves by it."""
        for name in self.__struct_fields__[1:-1]:
            getattr(self, name)[places] += amount_minor

    def join(self, other: References) -> None:
        """Take `other` on, in place of what is here of its accounts."""
        self.leave(other.account_ids)
        for name in self.__struct_fields__:
            setattr(self, name, np.concatenate((getattr(self, name), getattr(other, name))))

    def leave(self, account_ids: Vec) -> None:
        stay = ~np.isin(self.account_ids, account_ids)
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name)[stay])


class RiskState(msgspec.Struct, dict=True):
    """`own`, `every`, `master`: limits by party. `stops`: by account id, also the blocked ones.
    `begun`: how often references began. `restricted`: who paused a link, or made it close-only.

    `master_reference` has one row (account id 0) while the master has a limit, else none.
    """

    own: dict[int, dict[Party, Protection]] = {}
    every: dict[Party, Protection] = {}
    master: dict[Party, Protection] = {}
    references: References = msgspec.field(default_factory=References)
    master_reference: References = msgspec.field(default_factory=References)
    begun: int = 0
    day: str = ""
    stops: dict[int, Stop] = {}
    restricted: dict[int, Party] = {}
    master_stop: Stop | None = None

    @property
    def has_limits(self) -> bool:
        return bool(self.own or self.every or self.master)

    def is_watched(self, account_id: int) -> bool:
        """Whether some limit of this account can stop it."""
        own = self.own.get(account_id, {}).values()
        return any(p.stops for p in own) or any(p.stops for p in self.every.values())

    def forget_cached(self) -> None:
        """Limits or watched accounts changed."""
        self.__dict__.clear()
