"""Servers: the neutral trading-server Protocol and one folder per kind of server.

Credentials go in, plain data comes back. Imports core only: no Django, no tenants.
"""
