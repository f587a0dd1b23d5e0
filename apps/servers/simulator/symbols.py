"""The symbols and currencies of the simulator.

A process has one catalogue: the standard one, or a dialect of it adopted before it starts (other
names, contracts, steps and digits, as another broker's server has).
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

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


PAIRS: dict[tuple[str, str], str] = {
    (spec.base_currency, spec.profit_currency): name
    for name, spec in SYMBOLS.items()
    if spec.margin_mode == "fx"
}
"""(base, quote) → the symbol that prices it, for conversions."""


class Dialect(msgspec.Struct, frozen=True):
    """How a catalogue differs from the standard one; None leaves a thing as it is."""

    suffix: str = ""
    contract_size: Decimal | None = None
    volume_step: Decimal | None = None
    fewer_digits: int = 0


def adopt(dialect: Dialect) -> None:
    """Make this process's catalogue the dialect. Once, before anything is traded."""
    specs = [_spoken(spec, dialect) for spec in SYMBOLS.values()]
    for kept in (SYMBOLS, TERMS, PAIRS):
        kept.clear()
    for spec in specs:
        SYMBOLS[spec.name] = spec
        TERMS[spec.name] = SymbolTerms(spec.contract_size, spec.volume_step, spec.digits)
        if spec.margin_mode == "fx":
            PAIRS[spec.base_currency, spec.profit_currency] = spec.name


def _spoken(spec: SymbolSpec, dialect: Dialect) -> SymbolSpec:
    step = dialect.volume_step or spec.volume_step
    return msgspec.structs.replace(
        spec,
        name=spec.name + dialect.suffix,
        contract_size=dialect.contract_size or spec.contract_size,
        volume_step=step,
        volume_min=max(step, spec.volume_min),
        digits=spec.digits - dialect.fewer_digits,
    )


def symbol_named(name: str) -> SymbolSpec:
    """NotFoundError `symbol_unknown`."""
    spec = SYMBOLS.get(name)
    if spec is None:
        raise NotFoundError("symbol_unknown", f"no symbol {name!r}", symbol=name)
    return spec
