"""Leaderboards: track records, performance metrics, ranking.

May import engine, allocation, accounts, core, tenants.
"""
