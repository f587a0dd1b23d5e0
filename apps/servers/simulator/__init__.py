"""The built-in trading server: a process of its own, and the adapter that speaks to it.

Server side (`python -m apps.servers.simulator`): listener → connection → methods → exchange
(orders, accounts, allocation) → store (one SQLite file per named server), and the market
(generator, replayed quotes, bars) that all named servers share.
Client side: `client.SimulatorServer` (the neutral adapter), `admin` (creates servers, feeds
quotes, arms faults).
"""
