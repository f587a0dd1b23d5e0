"""Limits, references and stops of the pure book, one rule at a time."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import decode, encode
from apps.core.book.risk.confirming import look, make_token
from apps.core.book.risk.levels import account_levels, begun_levels
from apps.core.book.risk.settings import Protection, protection_as_json, protection_from_json
from apps.core.book.risk.watching import Watch
from apps.core.book.state import STOP_STEPS, BookState, References, RiskState, next_phase
from apps.core.errors import InputError, StateError
from apps.core.protection import (
    DailyBase,
    Reference,
    daily_limit,
    trailing_amount,
    trailing_percent,
)
from tests.core_book.protected import ProtectedWorld
from tests.core_book.world import World, replay, same


def vec(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def calm(seed: int = 3, accounts: int = 6) -> ProtectedWorld:
    """A world whose server does what it is told."""
    return ProtectedWorld(seed, accounts=accounts, moods=False, directs=False)


def code_of(world: World) -> str:
    first = world.bodies[-1].events[0]
    return first.code if isinstance(first, ev.CommandRefused) else ""


def opened(world: World, lots: str = "6.00", **over: Any) -> None:
    world.place(lots, **over)
    world.settle()


@pytest.mark.parametrize("seed", range(30))
def test_levels_are_those_of_the_protection_arithmetic(seed: int) -> None:
    """The vectors agree with apps.core.protection to the minor unit."""
    rng = random.Random(seed)
    initial, peak, best, day, day_equity = (rng.randint(1, 10**12) for _ in range(5))
    percent = Decimal(rng.randint(1, 99_999_999)) / 10**6
    amount = rng.randint(1, 10**9)
    begun = References(
        vec(1), vec(initial), vec(peak), vec(best), vec(day), vec(day_equity), vec(1)
    )
    base = rng.choice(list(DailyBase))
    daily = daily_limit(percent, day, initial=initial, start_equity=day_equity, base=base, digits=0)
    end_of_day = Reference(Fraction(best), Fraction(initial)).end_of_day_limit(amount, 0)
    expected: dict[Protection, int | Decimal] = {
        Protection(stop_equity_minor=amount): amount,
        Protection(trailing_percent=percent): trailing_percent(peak, percent, 0),
        Protection(trailing_minor=amount): trailing_amount(peak, amount, 0),
        Protection(end_of_day_minor=amount): end_of_day,
        Protection(daily_loss_percent=percent, daily_base=base): daily,
    }
    for protection, level in expected.items():
        risk = RiskState(own={1: {"broker": protection}}, references=begun)
        assert account_levels(risk, begun.peak).level[0] == level
        assert begun_levels(risk, begun, 1).told(0) == account_levels(risk, begun.peak).told(0)


def test_of_several_limits_the_strictest_holds_and_says_whose_it_is() -> None:
    world = calm()
    worth = int(world.book.members.balance_minor[0])
    world.protect(1, party="investor", stop_equity_minor=worth // 2)
    world.protect(1, party="manager", trailing_percent=Decimal(20))
    world.protect(None, party="broker", daily_loss_percent=Decimal(10))
    risk = world.book.risk
    at = int(risk.references.at(vec(1))[0])
    level, reason, party, reference = account_levels(risk, risk.references.peak).told(at)
    assert (reason, party, reference) == ("daily_loss", "broker", worth)
    assert level == (worth * 9 + 5) // 10
    world.protect(None, party="broker")
    assert account_levels(risk, risk.references.peak).told(0)[1:3] == (
        "trailing_percent",
        "manager",
    )


def test_deposits_and_withdrawals_move_every_reference_by_their_amount() -> None:
    world = calm()
    world.protect(1, trailing_percent=Decimal(10))
    world.protect(scope="master", trailing_percent=Decimal(10))
    before = decode(encode(world.book), BookState).risk
    for kind, amount in (("deposit", 70_000), ("withdrawal", 20_000)):
        world.tell(
            c.AdjustBalance(
                command_id=world.new_id(),
                account_id=1,
                kind=kind,  # type: ignore[arg-type]
                amount_minor=amount,
            )
        )
        world.settle()
    after = world.book.risk
    for name in ("initial", "peak", "best_balance", "day_balance", "day_equity"):
        assert getattr(after.references, name)[0] - getattr(before.references, name)[0] == 50_000
    assert not world.mark()
    assert not after.stops


def test_a_withdrawal_after_a_peak_is_no_loss() -> None:
    """A height seen before the flow counts over the initial reference, wherever that moved."""
    world = calm()
    opened(world)
    world.protect(1, trailing_percent=Decimal(30))
    world.mid["EURUSD"] += 1
    world.mark()
    assert world.watch is not None
    heights = world.watch.look(
        world.book, np.full(world.book.members.size, -(10**12), dtype=np.int64), None
    )
    assert heights.account_ids.tolist() == [1]
    free = int(world.book.members.balance_minor[0]) // 2
    world.tell(
        c.AdjustBalance(
            command_id=world.new_id(), account_id=1, kind="withdrawal", amount_minor=free
        )
    )
    world.settle()
    world.tell(c.ReachLimits(command_id=world.new_id(), heights=heights))
    assert code_of(world) == "limit_not_reached"


def test_the_day_starts_once_and_its_loss_counts_from_there() -> None:
    world = calm()
    world.protect(1, daily_loss_percent=Decimal(5), daily_base=DailyBase.START_EQUITY)
    world.tell(c.StartDay(command_id=world.new_id(), day="2026-11-21"))
    world.tell(c.StartDay(command_id=world.new_id(), day="2026-11-21"))
    assert code_of(world) == "day_started"
    assert world.book.risk.day == "2026-11-21"


def test_a_stop_touches_no_other_account_and_rebases_the_block() -> None:
    world = calm()
    opened(world)
    (block,) = world.book.blocks.values()
    before = dict(zip(block.members.tolist(), block.open_steps.tolist(), strict=True))
    assert before[0]
    world.protect(1, stop_equity_minor=10**12)
    assert world.mark()
    world.stop_out()
    (block,) = world.book.blocks.values()
    after = dict(zip(block.members.tolist(), block.open_steps.tolist(), strict=True))
    assert after == {**before, 0: 0}
    assert (block.base_steps == block.open_steps).all()
    assert {a: s.phase for a, s in world.book.risk.stops.items()} == {1: "blocked"}


def test_a_stopped_account_loses_its_share_of_what_waits() -> None:
    world = calm()
    price = Decimal(world.mid["EURUSD"] - 500).scaleb(-5)
    world.place("2.00", kind="limit", price=price)
    world.protect(1, stop_equity_minor=10**12)
    world.mark()
    world.stop_out()
    (block,) = world.book.blocks.values()
    assert 1 not in block.participants.tolist()
    assert block.participants.size == 5


def test_the_largest_loss_is_closed_first() -> None:
    world = calm()
    opened(world, "1.00", side="sell")
    opened(world, "9.00")
    world.mid["EURUSD"] -= 300
    token = make_token(look(world.book, world.market()))
    world.tell(c.HardStop(command_id=world.new_id(), party="broker", token=token))
    while not any(isinstance(e, ev.CloseRequested) for e in world.bodies[-1].events):
        assert world.advance()
    closes = [e for e in world.bodies[-1].events if isinstance(e, ev.CloseRequested)]
    assert [close.order_steps > 500 for close in closes] == [True, False]


@pytest.mark.parametrize("is_master", [False, True])
def test_a_stop_goes_on_from_every_record_it_was_cut_at(is_master: bool) -> None:
    """Cut after each record, read back from its bytes, and taken on: blocked in the end."""
    world = calm(seed=8)
    opened(world)
    opened(world, "3.00", name="GBPUSD", side="sell")
    if is_master:
        token = make_token(look(world.book, world.market()))
        world.tell(c.HardStop(command_id=world.new_id(), party="broker", token=token))
    else:
        world.protect(1, stop_equity_minor=10**12)
        world.mark()
    phases = set()
    for _ in range(60):
        stop = world.book.risk.master_stop if is_master else world.book.risk.stops[1]
        assert stop is not None
        phases.add(stop.phase)
        if stop.phase == "blocked":
            break
        world.state = decode(encode(world.book), BookState)
        assert same(world.book, replay(world.records))
        if not world.advance() and not world.serve():
            world.now_ms += 1_000
    assert phases == {"close_only", "cancelling", "closing", "verifying", "blocked"}


def test_the_steps_of_a_stop_are_one_table() -> None:
    reached = {"close_only"}
    for (phase, event), after in STOP_STEPS.items():
        assert next_phase(phase, event) == after
        reached.add(after)
    assert reached == {"close_only", "cancelling", "closing", "verifying", "blocked"}
    with pytest.raises(StateError):
        next_phase("blocked", "close_again")


def test_a_blocked_account_cannot_leave_and_come_back_unblocked() -> None:
    world = calm()
    world.protect(1, stop_equity_minor=10**12)
    world.mark()
    world.stop_out()
    world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=1))
    world.settle()
    world.link(1)
    assert code_of(world) == "account_stopped"


def test_an_investor_does_not_resume_what_the_manager_paused() -> None:
    world = calm()

    def set_status(status: str, party: str) -> None:
        world.tell(
            c.SetLinkStatus(
                command_id=world.new_id(),
                account_id=1,
                status=status,  # type: ignore[arg-type]
                party=party,  # type: ignore[arg-type]
            )
        )

    set_status("paused", "manager")
    set_status("active", "investor")
    assert code_of(world) == "restricted_by_other"
    set_status("active", "manager")
    set_status("paused", "investor")
    set_status("active", "investor")
    assert code_of(world) == ""


@pytest.mark.parametrize(
    ("scope", "data"),
    [
        ("account", {"trailing_percent": "100"}),
        ("account", {"trailing_percent": "0"}),
        ("account", {"trailing_percent": "NaN"}),
        ("account", {"stop_equity_minor": -1}),
        ("account", {"trailing_minor": 0}),
        ("account", {"margin_level_min_pct": 99}),
        ("account", {"max_leverage": "0"}),
        ("account", {"daily_base": "yesterday"}),
        ("account", {"no_such_limit": 1}),
        ("every_account", {"stop_equity_minor": 1}),
        ("master", {"max_leverage": "10"}),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(scope: str, data: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        protection_from_json(data, scope)  # type: ignore[arg-type]
    assert refused.value.code == "protection_invalid"


def test_limits_as_json_are_read_back() -> None:
    protection = Protection(
        trailing_percent=Decimal("12.5"), stop_equity_minor=100, daily_base=DailyBase.HIGHER
    )
    assert protection_from_json(protection_as_json(protection), "account") == protection


def test_only_watched_accounts_are_watched() -> None:
    world = calm(accounts=12)
    world.protect(4, trailing_percent=Decimal(10))
    assert world.book.risk.references.account_ids.tolist() == [4]
    assert Watch(world.book).peaks.size == 1
    world.protect(4)
    assert world.book.risk.references.size == 0


def test_stops_are_reached_in_the_simulation() -> None:
    """The seeds would prove nothing if nobody were ever stopped, blocked and lifted."""
    kinds: dict[str, int] = {}
    for seed in range(8):
        world = ProtectedWorld(seed)
        for _ in range(250):
            world.act()
        for body in world.bodies:
            for event in body.events:
                name = type(event).__name__
                if isinstance(event, ev.StopsAdvanced):
                    name = f"{event.phase}:{event.is_master}"
                kinds[name] = kinds.get(name, 0) + 1
    wanted = {"StopTriggered", "StopLifted", "blocked:True", "blocked:False", "PeaksSeen"}
    wanted |= {"DayStarted", "TicketClosedByServer", "SharesWithdrawn", "MasterFlowed"}
    assert wanted - set(kinds) == set()
