"""Accounts: people, roles, permissions; trading servers, trading accounts, masters, links.

May import core and tenants.
"""
