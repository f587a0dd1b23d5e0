"""The book: a master with its sub-accounts as one pure, replayable state machine.

    decide(state, stimulus, market) -> events      what happens, and why (decide.py and its parts)
    apply(state, events)            -> state'      nothing but bookkeeping (apply.py)

A journal record (records.py) holds the stimulus, the quotes that were read and the events, and
carries the digest of the record before it; verify.py decides every record again and compares.

Units inside a book: money int minor units of the account's currency, volume int steps of the
symbol's volume step, price int points (price × 10^digits), time int UTC ms. Commands carry lots
and prices as Decimal: the book converts exactly or refuses, it never rounds an order silently.
"""
