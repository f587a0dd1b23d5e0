"""Tenants: brokers, domains, brands, and the only door to a broker's schema.

Imports no room; every room but core and servers may import it.
"""
