"""Accounts: people, roles, permissions; trading servers' credentials; trading accounts, masters, links.

May import core and tenants.
"""
