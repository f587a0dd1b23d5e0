"""The methods of the protocol: name → parameters and what to do. Every one is a few lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from apps.core.errors import InputError
from apps.servers.acks import NotFound, StoredOutcome
from apps.servers.simulator import busts, orders, queries
from apps.servers.simulator import messages as m
from apps.servers.simulator.symbols import SYMBOLS, symbol_named

if TYPE_CHECKING:
    from apps.servers.simulator.connection import Connection


def call(connection: Connection, method: str, params: msgspec.Raw) -> Any:
    """The method's result. InputError `method_unknown` | `params_invalid`; what it raises."""
    entry = METHODS.get(method)
    if entry is None:
        raise InputError("method_unknown", f"no method {method!r}", method=method)
    decoder, handle = entry
    try:
        decoded = decoder.decode(params)
    except msgspec.MsgspecError as error:
        raise InputError("params_invalid", f"{method}: {error}", method=method) from error
    return handle(connection, decoded)


def hello(connection: Connection, params: m.Hello) -> m.Welcome:
    if params.version != m.PROTOCOL_VERSION:
        raise InputError("protocol_version", f"this simulator speaks {m.PROTOCOL_VERSION}")
    exchange = connection.host.open_server(params.server, params.token)
    connection.log_in(exchange)
    return queries.welcome(exchange)


def ping(connection: Connection, _: m.Nothing) -> m.Pong:
    store = connection.logged_in().store
    return m.Pong(connection.host.market.now_ms(), store.last_seq)


def execute(connection: Connection, params: m.Execute) -> StoredOutcome:
    return connection.logged_in().execute(params.command)


def terminal(connection: Connection, params: m.Terminal) -> m.Placed:
    """An order from somebody's terminal or EA: no command id, no idempotency."""
    exchange = connection.logged_in()
    with exchange.change():
        done = orders.submit(exchange, params.order, outside=True)
    return m.Placed(done.order_id or "")


def bust(connection: Connection, params: m.Bust) -> m.Placed:
    """A master's deal is taken back; the reversal's deal id."""
    exchange = connection.logged_in()
    with exchange.change():
        reversal = busts.bust(exchange, int(params.deal_id))
    return m.Placed(str(reversal))


def resolve(connection: Connection, params: m.Resolve) -> StoredOutcome | NotFound:
    return connection.logged_in().resolve(params.command_id)


def follow(connection: Connection, params: m.Follow) -> m.Nothing:
    """Pushes the events after a seq; seqs have no holes but those that pruning made."""
    store = connection.logged_in().store
    if params.after_seq > store.last_seq:
        raise InputError(
            "cursor_invalid", f"the newest event is {store.last_seq}", after_seq=params.after_seq
        )
    connection.follow(params.after_seq)
    return m.Nothing()


def quotes(connection: Connection, params: m.QuoteSymbols) -> m.Nothing:
    """Subscribes; the latest price of each symbol is told at once."""
    connection.logged_in()
    connection.quote_symbols = frozenset(symbol_named(name).name for name in params.symbols)
    connection.tell_latest()
    return m.Nothing()


def accounts(connection: Connection, params: m.AccountsQuery) -> Any:
    return queries.account_page(connection.logged_in(), params.after, params.limit)


def account_state(connection: Connection, params: m.OfLogin) -> Any:
    return queries.account_state(connection.logged_in(), params.login)


def positions(connection: Connection, params: m.OfLogin) -> Any:
    return queries.positions(connection.logged_in(), params.login)


def orders_of(connection: Connection, params: m.OfLogin) -> Any:
    return queries.orders(connection.logged_in(), params.login)


def deals(connection: Connection, params: m.DealsQuery) -> Any:
    return queries.deals(connection.logged_in(), params.login, params.since, params.limit)


def bars(connection: Connection, params: m.BarsQuery) -> Any:
    connection.logged_in()
    host = connection.host
    symbol = symbol_named(params.symbol).name
    return host.bars.bars(symbol, params.from_ms, params.to_ms, host.history)


# -- admin


def admin_hello(connection: Connection, params: m.AdminHello) -> m.Nothing:
    connection.host.check_admin(params.admin_token)
    connection.is_admin = True
    return m.Nothing()


def create_server(connection: Connection, params: m.CreateServer) -> m.Nothing:
    connection.admin()
    connection.host.create_server(params.name, params.token, params.block_allocation)
    return m.Nothing()


def feed_start(connection: Connection, params: m.FeedStart) -> m.Nothing:
    connection.admin()
    symbols = [symbol_named(name).name for name in params.symbols]
    connection.host.market.take(symbols, connection)
    return m.Nothing()


def feed_quotes(connection: Connection, params: m.FeedQuotes) -> m.Fed:
    """All rows or none. InputError `quote_invalid`, `feed_taken`."""
    connection.admin()
    market = connection.host.market
    for index, (symbol, bid, ask, _, _) in enumerate(params.rows):
        if symbol not in SYMBOLS or not 0 < bid <= ask < 2**53:
            raise InputError(
                "quote_invalid", f"row {index}: {symbol} {bid}/{ask} is no quote", row=index
            )
        if not market.owned_by(symbol, connection):
            raise InputError("feed_taken", f"{symbol} is quoted by another feed", symbol=symbol)
    market.publish((row[0], row[1], row[2], row[4]) for row in params.rows)
    return m.Fed(len(params.rows))


def fault(connection: Connection, params: m.Fault) -> m.Nothing:
    connection.admin()
    if not connection.host.options.faults:
        raise InputError("faults_disabled", "the simulator was started without --faults")
    connection.host.named(params.server).faults.arm(params)
    return m.Nothing()


Entry = tuple["msgspec.msgpack.Decoder[Any]", Callable[[Any, Any], Any]]


def _entry(params: type, handle: Callable[[Any, Any], Any]) -> Entry:
    return msgspec.msgpack.Decoder(params), handle


METHODS: dict[str, Entry] = {
    "hello": _entry(m.Hello, hello),
    "ping": _entry(m.Nothing, ping),
    "execute": _entry(m.Execute, execute),
    "terminal": _entry(m.Terminal, terminal),
    "bust": _entry(m.Bust, bust),
    "resolve": _entry(m.Resolve, resolve),
    "follow": _entry(m.Follow, follow),
    "quotes": _entry(m.QuoteSymbols, quotes),
    "accounts": _entry(m.AccountsQuery, accounts),
    "account_state": _entry(m.OfLogin, account_state),
    "positions": _entry(m.OfLogin, positions),
    "orders": _entry(m.OfLogin, orders_of),
    "deals": _entry(m.DealsQuery, deals),
    "bars": _entry(m.BarsQuery, bars),
    "admin_hello": _entry(m.AdminHello, admin_hello),
    "create_server": _entry(m.CreateServer, create_server),
    "feed_start": _entry(m.FeedStart, feed_start),
    "feed_quotes": _entry(m.FeedQuotes, feed_quotes),
    "fault": _entry(m.Fault, fault),
}
