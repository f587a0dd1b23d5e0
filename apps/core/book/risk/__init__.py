"""Equity protection of a book: limits, references, stops (math.md §5). Pure.

    settings.py    what a party may ask for, and who may lift a stop
    levels.py      the equity at or below which each watched member is stopped
    bounds.py      what an opening may do: trading at all, margin level, leverage
    worth.py       equity of accounts and of the master, exactly
    setting.py     deciding limits and lifts
    watching.py    deciding what a marking shows: peaks, days, limits that are reached
    stopping.py    a stop's life, one table: close only, cancel, close, verify, blocked
    confirming.py  the token of what a hard stop would close
    reporting.py   tickets that the trading server closed from its side

Imported by the book's modules through these files; imports nothing above `state` and `market`.
"""
