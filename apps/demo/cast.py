"""Who and what the demo consists of: plain data, two brokers, invented people."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps.core.book.commands import Side

PASSWORD = "demo-Prorata-1"  # the demo's log-ins alone; printed by scripts/run


@dataclass(frozen=True)
class Investor:
    email: str
    full_name: str
    currency: str
    deposit: Decimal


@dataclass(frozen=True)
class DemoMaster:
    name: str
    description: str
    manager_email: str
    manager_name: str
    currency: str
    investors: tuple[Investor, ...]


@dataclass(frozen=True)
class DemoBroker:
    slug: str
    legal_name: str
    masters: tuple[DemoMaster, ...]


def _investors(domain: str, rows: list[tuple[str, str, str]]) -> tuple[Investor, ...]:
    return tuple(
        Investor(f"{name.split()[0].lower()}@{domain}", name, currency, Decimal(deposit))
        for name, currency, deposit in rows
    )


ACME = DemoBroker(
    "acme",
    "Acme Markets Ltd",
    (
        DemoMaster(
            "Northwind Macro",
            "Discretionary majors, held for hours to days.",
            "marta@acme.example",
            "Marta Lindqvist",
            "USD",
            _investors(
                "acme.example",
                [
                    ("Ines Carvalho", "USD", "25000"),
                    ("Tomas Weber", "EUR", "12500"),
                    ("Aiko Tanaka", "JPY", "3000000"),
                    ("Owen Hughes", "GBP", "8000"),
                    ("Lucia Romero", "USD", "4200"),
                    ("Pavel Novak", "EUR", "61000"),
                    ("Grace Mbeki", "USD", "150000"),
                    ("Hana Kim", "USD", "950"),
                    ("Jonas Berg", "EUR", "18250"),
                    ("Leila Haddad", "USD", "33700"),
                    ("Mateo Silva", "USD", "7650"),
                    ("Nora Blake", "GBP", "41000"),
                ],
            ),
        ),
        DemoMaster(
            "Harbour Carry",
            "Slow rate differentials, low leverage.",
            "marta@acme.example",
            "Marta Lindqvist",
            "EUR",
            _investors(
                "acme.example",
                [
                    ("Felix Brandt", "EUR", "20000"),
                    ("Ruth Cohen", "USD", "16000"),
                    ("Samir Patel", "GBP", "9400"),
                ],
            ),
        ),
    ),
)
GLOBEX = DemoBroker(
    "globex",
    "Globex Capital SA",
    (
        DemoMaster(
            "Lumen Intraday",
            "Short holding times around the London open.",
            "marc@globex.example",
            "Marc Delacroix",
            "USD",
            _investors(
                "globex.example",
                [
                    ("Irene Papas", "EUR", "30000"),
                    ("Victor Osei", "USD", "11000"),
                    ("Yuki Mori", "JPY", "1800000"),
                    ("Clara Dubois", "EUR", "5400"),
                    ("Denis Petrov", "USD", "72000"),
                ],
            ),
        ),
    ),
)
BROKERS = (ACME, GLOBEX)
SEEDED_BLOCKS: tuple[tuple[str, Side, str, str], ...] = (
    # symbol, side, lots, what is closed again of it
    ("EURUSD", "buy", "3.00", "0"),
    ("GBPUSD", "sell", "2.00", "0.80"),
    ("USDJPY", "buy", "1.50", "1.50"),
)
