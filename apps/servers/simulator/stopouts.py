"""The server's own stop-out: below the margin level, positions are closed, largest loss first.

After every close the account is valued anew, until its level is above the threshold. Masters are
spared: their blocks are given up and use no margin of their own.
"""

from __future__ import annotations

from decimal import Decimal

from apps.core.errors import RejectedError
from apps.servers.events import StopOut
from apps.servers.simulator import orders, valuation
from apps.servers.simulator.exchange import Account, Exchange

HOLDING = (
    "SELECT DISTINCT t.login FROM tickets t JOIN accounts a ON a.login = t.login"
    " WHERE t.open_steps > 0 AND a.kind = 'sub' ORDER BY t.login"
)


def check(exchange: Exchange, threshold_pct: Decimal) -> list[int]:
    """Stops out whoever is at or below the threshold; their logins."""
    logins = [row["login"] for row in exchange.store.all(HOLDING)]
    if not logins:
        return []
    stopped = []
    for state in valuation.states(exchange, logins):
        if state.level is not None and state.level <= threshold_pct:
            with exchange.change():
                closed = _stop_out(exchange, exchange.account(state.login), threshold_pct)
            if closed:
                stopped.append(state.login)
    return stopped


def _stop_out(exchange: Exchange, account: Account, threshold_pct: Decimal) -> list[int]:
    closed: list[int] = []
    while True:
        state = valuation.states(exchange, [account.login])[0]
        if state.level is None or state.level > threshold_pct:
            return closed
        held = valuation.positions(exchange, [account.login])
        held = [position for position in held if position.position_id not in closed]
        if not held:
            return closed
        worst = min(held, key=lambda position: (position.profit, position.position_id))
        try:
            tick = orders.dealable(exchange, worst.symbol)
        except RejectedError:
            return closed  # its market is closed: again at the next look
        exchange.tell(
            StopOut, login=account.login, level=state.level, position_ids=(worst.position_id,)
        )
        orders.close_held(exchange, worst, worst.steps, None, tick)
        closed.append(worst.position_id)
