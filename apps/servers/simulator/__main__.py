"""`python -m apps.servers.simulator`: runs the simulator until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path

from apps.core.errors import ProrataError
from apps.core.sessions import WEEK_MINUTES, Sessions
from apps.servers.simulator import wire
from apps.servers.simulator.host import Host, Options
from apps.servers.simulator.symbols import SYMBOLS, Dialect, adopt


def parse_arguments(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m apps.servers.simulator",
        description="The built-in trading server: accounts, orders, quotes; it survives kill -9.",
    )
    parser.add_argument("--listen", default="127.0.0.1:8002", help="HOST:PORT or unix:PATH")
    parser.add_argument("--data", type=Path, required=True, help="directory of its SQLite files")
    parser.add_argument("--quotes", choices=("generated", "none"), default="generated")
    parser.add_argument("--seed", type=int, default=7, help="of the generated market")
    parser.add_argument("--speed", type=float, default=1.0, help="of the generated market's clock")
    parser.add_argument(
        "--hours",
        choices=("always", "fx"),
        default="always",
        help="always: the demo trades on a Saturday too; fx: closed Friday 22:00–Sunday 22:00 UTC",
    )
    parser.add_argument(
        "--stale-after-s", type=float, default=60.0, help="older quotes are not dealt on"
    )
    parser.add_argument(
        "--session",
        action="append",
        default=[],
        metavar="SYMBOL=FROM-TO",
        help="when a symbol trades, in minutes since Monday 00:00 UTC; may be repeated. Without it:"
        " always",
    )
    parser.add_argument("--kept-events", type=int, default=200_000, help="older ones are pruned")
    parser.add_argument(
        "--stop-out-pct",
        type=Decimal,
        default=Decimal(0),
        help="margin level at or below which sub-accounts are stopped out; 0: never",
    )
    parser.add_argument("--faults", action="store_true", help="allow armed faults (drills, tests)")
    dialect = parser.add_argument_group("a dialect: another broker's catalogue, not generated")
    dialect.add_argument("--suffix", default="", help="of every symbol's name, .pro for example")
    dialect.add_argument("--contract-size", type=Decimal, help="of every symbol")
    dialect.add_argument("--volume-step", type=Decimal, help="of every symbol, lots")
    dialect.add_argument("--fewer-digits", type=int, default=0, help="of every price")
    chosen = parser.parse_args(arguments)
    if chosen.speed <= 0 or chosen.stale_after_s <= 0 or chosen.kept_events < 1 or chosen.seed < 0:
        parser.error(
            "--speed, --stale-after-s, --kept-events must be positive, --seed not negative"
        )
    spoken = Dialect(chosen.suffix, chosen.contract_size, chosen.volume_step, chosen.fewer_digits)
    if spoken != Dialect() and chosen.quotes != "none":
        parser.error("a dialect has no generated market: --quotes none, and feed it")
    try:
        sessions = parse_sessions(chosen.session)
    except ValueError as error:
        parser.error(f"--session: {error}")
    admin_token = os.environ.get("SIM_ADMIN_TOKEN", "")
    if not admin_token and not _is_local(chosen.listen):
        parser.error("set SIM_ADMIN_TOKEN to listen on an address that others can reach")
    return Options(
        listen=chosen.listen,
        data=chosen.data,
        generated=chosen.quotes == "generated",
        seed=chosen.seed,
        speed=chosen.speed,
        always_open=chosen.hours == "always",
        stale_after_ms=int(chosen.stale_after_s * 1000),
        faults=chosen.faults,
        admin_token=admin_token,
        kept_events=chosen.kept_events,
        stop_out_pct=chosen.stop_out_pct,
        dialect=spoken,
        sessions=sessions,
    )


def parse_sessions(texts: list[str]) -> dict[str, Sessions]:
    """Raises ValueError for an unknown symbol or minutes that are not ones of a week."""
    found: dict[str, Sessions] = {}
    for text in texts:
        symbol, _, minutes = text.partition("=")
        begins, ends = (int(part) for part in minutes.split("-"))
        if symbol not in SYMBOLS or not 0 <= begins < ends <= WEEK_MINUTES:
            raise ValueError(f"{text} is not SYMBOL=FROM-TO")
        found[symbol] = (*found.get(symbol, ()), (begins, ends))
    return found


def _is_local(listen: str) -> bool:
    target = wire.parse_url(listen)
    if isinstance(target, str) or target[0] == "localhost":
        return True
    try:
        return ipaddress.ip_address(target[0]).is_loopback
    except ValueError:
        return False


async def run(options: Options) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    ready: asyncio.Future[str] = loop.create_future()
    ready.add_done_callback(_announce)
    if options.dialect != Dialect():
        adopt(options.dialect)
    await Host(options).serve(ready)


def _announce(ready: asyncio.Future[str]) -> None:
    """One line that a parent process waits for; with port 0 it tells the port."""
    if not ready.cancelled():
        sys.stdout.write(f"listening on {ready.result()}\n")
        sys.stdout.flush()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        asyncio.run(run(parse_arguments(sys.argv[1:])))
    except asyncio.CancelledError:
        return 0
    except (OSError, ProrataError) as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
