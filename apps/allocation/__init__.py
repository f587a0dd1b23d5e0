"""Allocation: the record people query (blocks, allocations, tickets, deals, bars, equity).

Written by the engine's projection only. May import accounts, core, tenants.
"""
