"""Portals: the server-rendered pages, one folder per kind of reader (broker, manager, investor).

May import billing, leaderboards and below.
"""
