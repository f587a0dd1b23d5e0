"""One named server: its accounts, its working orders, the once-only execution of commands."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from apps.core.errors import NotFoundError, ProrataError, RejectedError
from apps.servers.acks import Done, NotFound, Rejected, StoredOutcome
from apps.servers.commands import AnyCommand
from apps.servers.events import EventBase, Fill
from apps.servers.simulator.faults import Faults
from apps.servers.simulator.market import Market
from apps.servers.simulator.store import Row, Store
from apps.servers.simulator.symbols import ACCOUNT_CURRENCIES
from apps.servers.simulator.wire import encoder
from apps.servers.types import AccountKind, OrderKind, Side

_outcome_decoder: msgspec.msgpack.Decoder[StoredOutcome] = msgspec.msgpack.Decoder(StoredOutcome)

E = TypeVar("E", bound=EventBase)


@dataclass(frozen=True, slots=True)
class Account:
    """What never changes about an account; its balance is in the store only."""

    login: int
    kind: AccountKind
    currency: str
    leverage: int
    name: str

    @property
    def digits(self) -> int:
        return ACCOUNT_CURRENCIES[self.currency]

    def money(self, minor: int) -> Decimal:
        return Decimal(minor).scaleb(-self.digits)

    def minor(self, amount: Decimal) -> int:
        """RejectedError `amount_invalid` when the amount has more digits than the currency."""
        scaled = amount.scaleb(self.digits) if amount.is_finite() else Decimal("NaN")
        if not scaled.is_finite() or scaled != scaled.to_integral_value() or abs(scaled) > 10**16:
            raise RejectedError("amount_invalid", f"{amount} is no amount of {self.currency}")
        return int(scaled)


@dataclass(slots=True)
class Order:
    """A working order, as in the store's row."""

    order_id: int
    command_id: UUID | None
    login: int
    symbol: str
    side: Side
    kind: OrderKind
    steps: int
    cum_steps: int
    points: int | None
    placed_ms: int
    expires_ms: int | None
    slice_steps: int | None  # a fault: at most this much is filled per quote
    position_id: int | None  # set: this order closes that position

    @property
    def leaves_steps(self) -> int:
        return self.steps - self.cum_steps

    @classmethod
    def from_row(cls, row: Row) -> Order:
        values = {name: row[name] for name in cls.__slots__}
        command_id = values["command_id"]
        values["command_id"] = None if command_id is None else UUID(command_id)
        values["side"] = Side(values["side"])
        return cls(**values)


Handler = Callable[["Exchange", Any], Done]


class Exchange:
    """Single-threaded: every method runs to its end inside one turn of the event loop."""

    def __init__(
        self,
        name: str,
        store: Store,
        market: Market,
        handlers: dict[type, Handler],
        faults: Faults | None = None,
    ) -> None:
        self.name = name
        self.store = store
        self.market = market
        self.faults = faults or Faults()
        self._handlers = handlers
        self._listeners: set[Callable[[], None]] = set()
        self._after_commit: list[Callable[[], None]] = []
        self.accounts: dict[int, Account] = {
            row["login"]: Account(
                row["login"], row["kind"], row["currency"], row["leverage"], row["name"]
            )
            for row in store.all("SELECT * FROM accounts")
        }
        self.working: dict[str, dict[int, Order]] = {}
        for row in store.all("SELECT * FROM orders WHERE status = 'working' ORDER BY order_id"):
            order = Order.from_row(row)
            self.working.setdefault(order.symbol, {})[order.order_id] = order

    # -- commands

    def execute(self, command: AnyCommand) -> StoredOutcome:
        """Does `command` once; a repeat gets the stored outcome."""
        digest = hashlib.sha256(encoder.encode(command)).digest()
        known = self._stored(command.command_id)
        if known is not None:
            if known["digest"] == digest:
                return _outcome_decoder.decode(known["outcome"])
            return Rejected(
                command.command_id,
                "command_id_reused",
                f"command id {command.command_id} was used for another command",
            )
        outcome: StoredOutcome
        try:
            with self.change():
                outcome = self._handlers[type(command)](self, command)
                self._save(outcome, digest)
        except ProrataError as error:
            outcome = Rejected(command.command_id, error.code, error.message, raw=error.code)
            with self.store.transaction():
                self._save(outcome, digest)
        return outcome

    def resolve(self, command_id: UUID) -> StoredOutcome | NotFound:
        known = self._stored(command_id)
        return NotFound(command_id) if known is None else _outcome_decoder.decode(known["outcome"])

    def _stored(self, command_id: UUID) -> Row | None:
        return self.store.one("SELECT * FROM outcomes WHERE command_id = ?", (str(command_id),))

    def _save(self, outcome: StoredOutcome, digest: bytes) -> None:
        values = (
            str(outcome.command_id),
            digest,
            encoder.encode(outcome),
            self.market.now_ms(),
        )
        self.store.execute("INSERT INTO outcomes VALUES (?, ?, ?, ?)", values)

    # -- changes and events

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """A transaction; memory follows (`after_commit`) and listeners hear only if it commits."""
        self._after_commit.clear()
        with self.store.transaction():
            yield
        actions, self._after_commit = self._after_commit, []
        for action in actions:
            action()
        for wake in self._listeners:
            wake()

    def after_commit(self, action: Callable[[], None]) -> None:
        self._after_commit.append(action)

    def tell(self, event_type: type[E], **fields: Any) -> E:
        """Appends a durable event to the change under way."""
        event = event_type(at_ms=self.market.now_ms(), seq=self.store.last_seq + 1, **fields)
        self.store.append_event(event)
        return event

    def tell_again(self, fill: Fill) -> None:
        """A fault: the same deal once more, as a server that re-sends would."""
        self.store.append_event(msgspec.structs.replace(fill, seq=self.store.last_seq + 1))

    def listen(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Calls `wake` after every commit; returns the way to stop it."""
        self._listeners.add(wake)
        return lambda: self._listeners.discard(wake)

    # -- looking things up

    def account(self, login: int) -> Account:
        """NotFoundError `account_unknown`."""
        account = self.accounts.get(login)
        if account is None:
            raise NotFoundError("account_unknown", f"no account {login}", login=login)
        return account

    def balance_of(self, login: int) -> tuple[int, int]:
        """(balance, credit) in minor units."""
        row = self.store.one("SELECT balance, credit FROM accounts WHERE login = ?", (login,))
        if row is None:
            raise NotFoundError("account_unknown", f"no account {login}", login=login)
        return row["balance"], row["credit"]

    def remember_order(self, order: Order) -> None:
        self.working.setdefault(order.symbol, {})[order.order_id] = order

    def forget_order(self, order: Order) -> None:
        self.working.get(order.symbol, {}).pop(order.order_id, None)

    def working_order(self, order_id: str) -> Order:
        """RejectedError `order_unknown` | `order_not_open`."""
        number = int(order_id) if order_id.isascii() and order_id.isdigit() else -1
        for orders in self.working.values():
            if number in orders:
                return orders[number]
        known = self.store.one(
            "SELECT status FROM orders WHERE order_id = ?", (min(number, 2**63 - 1),)
        )
        if known is None:
            raise RejectedError("order_unknown", f"no order {order_id}")
        raise RejectedError("order_not_open", f"order {order_id} is {known['status']}")


def encode_rates(rates: dict[str, Decimal]) -> str:
    return json.dumps({currency: str(value) for currency, value in rates.items()})


def decode_rates(text: str) -> dict[str, Decimal]:
    return {currency: Decimal(value) for currency, value in json.loads(text).items()}
