"""The symbols and currencies of the simulator."""

from __future__ import annotations

from decimal import Decimal

from apps.core.errors import NotFoundError
from apps.core.pnl import SymbolTerms
from apps.servers.types import SymbolSpec

# Digits of the currencies an account may be kept in.
ACCOUNT_CURRENCIES: dict[str, int] = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0}


def _fx(name: str, description: str, digits: int) -> SymbolSpec:
    return SymbolSpec(
        name=name,
        description=description,
        base_currency=name[:3],
        profit_currency=name[3:],
        margin_currency=name[:3],
        margin_mode="fx",
        digits=digits,
        contract_size=Decimal(100_000),
        volume_min=Decimal("0.01"),
        volume_max=Decimal(1000),
        volume_step=Decimal("0.01"),
        max_leverage=500,
    )


SYMBOLS: dict[str, SymbolSpec] = {
    spec.name: spec
    for spec in (
        _fx("EURUSD", "Euro / US dollar", 5),
        _fx("GBPUSD", "Pound sterling / US dollar", 5),
        _fx("USDJPY", "US dollar / Japanese yen", 3),
        _fx("AUDUSD", "Australian dollar / US dollar", 5),
        _fx("USDCHF", "US dollar / Swiss franc", 5),
        _fx("EURJPY", "Euro / Japanese yen", 3),
        SymbolSpec(
            name="XAUUSD",
            description="Gold, troy ounce / US dollar",
            base_currency="XAU",
            profit_currency="USD",
            margin_currency="USD",
            margin_mode="cfd",
            digits=2,
            contract_size=Decimal(100),
            volume_min=Decimal("0.01"),
            volume_max=Decimal(200),
            volume_step=Decimal("0.01"),
            max_leverage=100,
        ),
    )
}

TERMS: dict[str, SymbolTerms] = {
    name: SymbolTerms(spec.contract_size, spec.volume_step, spec.digits)
    for name, spec in SYMBOLS.items()
}


def symbol_named(name: str) -> SymbolSpec:
    """NotFoundError `symbol_unknown`."""
    spec = SYMBOLS.get(name)
    if spec is None:
        raise NotFoundError("symbol_unknown", f"no symbol {name!r}", symbol=name)
    return spec
