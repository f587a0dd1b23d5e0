"""Servers beside the master's, execution modes, and how volumes and prices convert. Pure."""

from __future__ import annotations

from fractions import Fraction
from uuid import UUID, uuid5

from apps.core.allocation.rule import Rounding
from apps.core.book.commands import DefineVenue, SetExecution, SymbolInfo
from apps.core.book.events import ExecutionSet, VenueDefined
from apps.core.book.placing import Decided
from apps.core.book.state import HOME, BookState, Note
from apps.core.errors import RejectedError
from apps.core.ints import half_up_div


def define_venue(stimulus: DefineVenue) -> Decided:
    return [VenueDefined(venue=stimulus.venue)], {}


def set_execution(state: BookState, command: SetExecution) -> Decided:
    """For the blocks from here on. Raises RejectedError `block_allocation_unsupported`."""
    home = state.mirror.venues.get(HOME)
    if command.mode == "block" and home is not None and not home.allocates:
        raise RejectedError(
            "block_allocation_unsupported",
            f"The trading server {home.name} cannot book shares of one order on other accounts.",
            server=home.name,
        )
    return [ExecutionSet(mode=command.mode)], {"status": "set", "execution": command.mode}


def leg_order_id(block_id: UUID, ticket_id: int, attempt: int) -> UUID:
    """The command id of an opening leg: the same for ever, another for every retry."""
    return uuid5(block_id, f"leg:{ticket_id}:{attempt}")


def leg_close_id(close_id: UUID, ticket_id: int) -> UUID:
    return uuid5(close_id, f"leg:{ticket_id}")


def factor(home: SymbolInfo, own: SymbolInfo) -> Fraction:
    """Own steps for one step of the master's symbol: the same units of the base."""
    return (
        Fraction(home.volume_step)
        * Fraction(home.contract_size)
        / (Fraction(own.volume_step) * Fraction(own.contract_size))
    )


def own_volume(steps: int, rate: Fraction, rounding: Rounding, own: SymbolInfo) -> tuple[int, Note]:
    """(own steps, why): exact, or rounded as the rule says; 0 where its server takes no such."""
    numerator, denominator = steps * rate.numerator, rate.denominator
    if rounding is Rounding.DOWN:
        made = numerator // denominator
    else:
        made = half_up_div(numerator, denominator)
    if made < own.min_steps:
        return 0, Note.LEG_BELOW_MIN
    if made > own.max_steps:
        return 0, Note.LEG_ABOVE_MAX
    return made, Note.EXACT if made * denominator == numerator else Note.LOTS_ROUNDED


def own_points(points: int, home: SymbolInfo, own: SymbolInfo) -> int:
    """A price of the master's symbol in points of another's digits, rounded half-up."""
    more = own.digits - home.digits
    return points * 10**more if more >= 0 else half_up_div(points, 10**-more)
