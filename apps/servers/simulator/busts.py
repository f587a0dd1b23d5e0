"""A deal of a master taken back, as a liquidity provider does: reversed by another deal."""

from __future__ import annotations

from apps.core.errors import ConflictError, NotFoundError
from apps.servers.events import TradeBusted
from apps.servers.simulator.exchange import Exchange, decode_rates
from apps.servers.simulator.symbols import SYMBOLS
from apps.servers.types import Side


def bust(exchange: Exchange, deal_id: int) -> int:
    """The reversal's deal id: same volume, price and rates, the other side, unallocated.

    Raises NotFoundError `deal_unknown`, ConflictError `deal_busted`.
    """
    store, comment = exchange.store, f"bust of {deal_id}"
    row = store.one("SELECT * FROM fills WHERE deal_id = ?", (deal_id,))
    if row is None or exchange.account(row["login"]).kind != "master":
        raise NotFoundError("deal_unknown", f"no deal {deal_id} of a master", deal_id=deal_id)
    if store.one("SELECT 1 AS one FROM deals WHERE comment = ?", (comment,)) is not None:
        raise ConflictError("deal_busted", f"deal {deal_id} was taken back before")
    spec, side = SYMBOLS[row["symbol"]], Side(row["side"]).opposite
    now_ms, reversal = exchange.market.now_ms(), store.new_deals()
    store.execute(
        "INSERT INTO fills SELECT ?, order_id, login, symbol, ?, steps, steps, points, rates, ?"
        " FROM fills WHERE deal_id = ?",
        (reversal, int(side), now_ms, deal_id),
    )
    store.execute(
        "INSERT INTO deals (deal_id, login, kind, amount, at_ms, symbol, side, steps, points,"
        " comment) SELECT ?, login, 'correction', 0, ?, symbol, ?, steps, points, ?"
        " FROM fills WHERE deal_id = ?",
        (reversal, now_ms, int(side), comment, deal_id),
    )
    exchange.tell(
        TradeBusted,
        busted_deal_id=str(deal_id),
        deal_id=str(reversal),
        login=row["login"],
        symbol=row["symbol"],
        side=side,
        steps=row["steps"],
        price=spec.to_price(row["points"]),
        rates=decode_rates(row["rates"]),
    )
    return reversal
