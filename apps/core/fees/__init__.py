"""Fees: pure formulas on exact numbers (math.md §3). Posted amounts are Decimals, rounded once.

hwm          the high-water mark H under deposits, withdrawals, re-attach
performance  fee = half_up(rate · max(0, E − H)), hurdles, bases, loss carry with look-back
management   day-count conventions, bases, days in [attach, detach)
commission   volume commissions per lot and per million
terms        what a plan says: every kind of fee, its options, who shares it
sharing      dividing an amount among manager, broker and IB levels
collection   what can be taken now, and the receivable that remains
account      the order of it all for one link: management → performance → H, at period end,
             withdrawal and detach
"""
