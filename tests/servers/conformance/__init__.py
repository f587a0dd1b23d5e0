"""One suite for every adapter: the guarantees of apps.servers.base, against a peer that can fail.

A room's test module derives `class TestX(ServerConformance)` and gives a `peer` fixture (a fresh
server per test, quotes: EURUSD 1.10000/1.10010, GBPUSD 1.25000/1.25020, USDJPY 150.000/150.010).
"""

from __future__ import annotations

from tests.servers.conformance.accounts import AccountConformance
from tests.servers.conformance.allocation import AllocationConformance
from tests.servers.conformance.commands import CommandConformance
from tests.servers.conformance.crash import CrashConformance
from tests.servers.conformance.events import EventConformance
from tests.servers.conformance.legs import LegConformance, NoAllocationConformance
from tests.servers.conformance.orders import OrderConformance


class ServerConformance(
    CommandConformance,
    EventConformance,
    OrderConformance,
    LegConformance,
    AllocationConformance,
    AccountConformance,
    CrashConformance,
):
    """All of it: a server that can do everything."""


class PlainServerConformance(
    OrderConformance,
    LegConformance,
    NoAllocationConformance,
):
    """Of a server without block allocation: what does not need it."""
