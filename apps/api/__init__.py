"""API: REST v1, keys, OpenAPI.

May import billing, leaderboards and below.
"""
