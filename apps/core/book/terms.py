"""The terms of a link: what the methods read of it, and what bounds it. Lots are Decimal.

They enter a book by journaled commands alone, so that a decision follows from its journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from apps.core.book.codec import Vec
from apps.core.errors import InputError

LOT_SCALE = 10**8
PARAMETER_SCALE = 10**6
_MOST = Decimal(10**9)


class LinkTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """None (or empty) means: the book's default, and where that has none, no limit.

    parameter: percent (percent, equity_percent*, risk_percent) or ratio (ratio*). lots: of
    lot_fixed and lot_weights. max_order_lots: of one block. max_open_lots: over all symbols.
    max_symbol_lots: open, by symbol. symbols: the only ones allowed. max_leverage: of everything
    open, notional over equity.
    """

    parameter: Decimal | None = None
    lots: Decimal | None = None
    max_order_lots: Decimal | None = None
    max_open_lots: Decimal | None = None
    max_symbol_lots: dict[str, Decimal] = {}
    symbols: list[str] | None = None
    max_leverage: Decimal | None = None


NO_TERMS = LinkTerms()


def check_terms(terms: LinkTerms) -> LinkTerms:
    """`terms` as given. Raises InputError `terms_invalid` that names the field and its value."""
    numbers = {
        "parameter": (terms.parameter, PARAMETER_SCALE),
        "lots": (terms.lots, LOT_SCALE),
        "max_order_lots": (terms.max_order_lots, LOT_SCALE),
        "max_open_lots": (terms.max_open_lots, LOT_SCALE),
        "max_leverage": (terms.max_leverage, LOT_SCALE),
        **{f"max_symbol_lots.{k}": (v, LOT_SCALE) for k, v in terms.max_symbol_lots.items()},
    }
    for name, (value, scale) in numbers.items():
        if value is None:
            continue
        if not value.is_finite() or not 0 <= value <= _MOST or value * scale % 1 != 0:
            raise InputError(
                "terms_invalid",
                f"{name} is from 0 to {_MOST} in steps of 1/{scale}, not {value}.",
                field=name,
                value=str(value),
            )
    if terms.max_leverage is not None and terms.max_leverage == 0:
        raise InputError("terms_invalid", "max_leverage is above zero.", field="max_leverage")
    return terms


def terms_from_json(data: dict[str, Any]) -> LinkTerms:
    """From a link's `params`: decimals as strings. Raises InputError `terms_invalid`."""
    unknown = sorted(set(data) - set(LinkTerms.__struct_fields__))
    if unknown:
        raise InputError("terms_invalid", f"There is no term {unknown[0]!r}.", field=unknown[0])
    try:
        terms = msgspec.convert(data, LinkTerms)
    except msgspec.ValidationError as error:
        raise InputError("terms_invalid", f"The terms cannot be read: {error}.") from error
    return check_terms(terms)


def terms_as_json(terms: LinkTerms) -> dict[str, Any]:
    """The inverse of `terms_from_json`; what is not set is left out."""
    made: dict[str, Any] = msgspec.to_builtins(terms)
    return made


def term_vector(
    account_ids: Iterable[int],
    terms: dict[int, LinkTerms],
    default: LinkTerms,
    read: Callable[[LinkTerms], Decimal | None],
    scale: int,
) -> Vec:
    """int64[members]: the link's own number × scale, else the default's, else −1."""
    ids = list(account_ids)
    whole = read(default)
    vector = np.full(len(ids), -1 if whole is None else int(whole * scale), dtype=np.int64)
    for at, account_id in enumerate(ids):
        own = terms.get(account_id)
        value = read(own) if own is not None else None
        if value is not None:
            vector[at] = int(value * scale)
    return vector
