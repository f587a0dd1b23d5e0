"""From what happened in a window to what is owed: pure, exact, no database.

All amounts are minor units of the account's currency. "Net" figures are free of bonus credit and
of fees that were charged earlier but not yet taken, so that one statement's closing equity is the
next one's opening equity.

values       what goes in and what comes out
amounts      management, volume, joining, exit and minimum fees
performance  the mark through the window's flows, and the performance fee
settle       a window's fees in their order, shared, with the statement's figures
"""

from apps.billing.compute.settle import charge_for
from apps.billing.compute.values import (
    CashMove,
    Charge,
    Figures,
    HeldError,
    Item,
    Kind,
    Mark,
    Party,
    Step,
    Terms,
    Turnover,
    Window,
)

__all__ = [
    "CashMove",
    "Charge",
    "Figures",
    "HeldError",
    "Item",
    "Kind",
    "Mark",
    "Party",
    "Step",
    "Terms",
    "Turnover",
    "Window",
    "charge_for",
]
