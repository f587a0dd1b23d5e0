"""Kind of server → adapter. Credentials go in as plain configuration, an adapter comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.core.errors import InputError
from apps.servers.base import TradingServer
from apps.servers.simulator.client import SimulatorServer

Factory = Callable[[Mapping[str, Any]], TradingServer]

FACTORIES: dict[str, Factory] = {"simulator": SimulatorServer.from_config}


def open_server(kind: str, config: Mapping[str, Any]) -> TradingServer:
    """An adapter that is not yet connected.

    `config` of a simulator: {"url": "tcp://127.0.0.1:8002" | "unix:/path", "server": "acme-sim",
    "token": "…", "timeout_s": 5.0}.
    Raises InputError `server_kind_unknown` | `server_config_invalid`.
    """
    factory = FACTORIES.get(kind)
    if factory is None:
        raise InputError(
            "server_kind_unknown", f"no adapter for servers of kind {kind!r}", kind=kind
        )
    return factory(config)
