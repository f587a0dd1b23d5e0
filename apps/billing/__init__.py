"""Billing: fee plans, high-water marks, fee runs, ledger, statements.

May import engine, allocation, accounts, core, tenants.
"""
