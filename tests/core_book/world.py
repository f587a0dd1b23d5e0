"""A seeded world around one pure book: quotes, people, and a trading server with moods.

Everything random comes from the seed, so that a failing seed replays exactly.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from apps.core.allocation import Method, Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import decode, encode
from apps.core.book.records import GENESIS, Body, Record, advance, make_record
from apps.core.book.state import (
    BalanceIntent,
    BookingIntent,
    BookState,
    CancelIntent,
    LegIntent,
    SubmitIntent,
)
from apps.core.book.terms import LinkTerms
from apps.core.errors import InputError

START_MS = 1_700_000_000_000


def symbol(name: str, digits: int, base: str, quote: str, **over: object) -> c.SymbolInfo:
    fields: dict[str, Any] = {
        "contract_size": Decimal(100_000),
        "volume_step": Decimal("0.01"),
        "min_steps": 1,
        "max_steps": 1_000_000,
        "margin_mode": "fx",
        "max_leverage": 500,
        "margin_currency": base,
        **over,
    }
    return c.SymbolInfo(
        name=name, digits=digits, base_currency=base, quote_currency=quote, **fields
    )


SYMBOLS = [
    symbol("EURUSD", 5, "EUR", "USD"),
    symbol("GBPUSD", 5, "GBP", "USD", min_steps=2),
    symbol("USDJPY", 3, "USD", "JPY"),
]
CURRENCIES = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0}
ELSEWHERE = 2
"""A second server: suffixes, smaller contracts, a coarser step, fewer digits; no gold, no pound."""
PRO = c.VenueInfo(
    server_id=ELSEWHERE,
    name="pro",
    allocates=False,
    names={"EURUSD": "EURUSD.pro", "USDJPY": "USDJPY.pro"},
    symbols=[
        symbol("EURUSD.pro", 4, "EUR", "USD", contract_size=Decimal(10_000), max_steps=500),
        symbol("USDJPY.pro", 3, "USD", "JPY", volume_step=Decimal("0.03"), min_steps=2),
    ],
    cursor=5,
)
PRICES = {"EURUSD": 108_000, "GBPUSD": 127_000, "USDJPY": 150_000}


class World:
    """`state` is the book, `records` its journal; `tell` and `ask` are how things happen."""

    def __init__(
        self,
        seed: int,
        accounts: int = 12,
        moods: bool = True,
        directs: bool = True,
        elsewhere: int = 0,
    ) -> None:
        self.rng = random.Random(seed)
        self.moods = moods
        self.directs = directs
        self.now_ms = START_MS
        self.mid = dict(PRICES)
        self.records: list[Record] = []
        self.bodies: list[Body] = []
        self.state: BookState | None = None
        self.deals = 0
        self.server_balance: dict[int, int] = {}
        self.sent: dict[UUID, int] = {}
        self.elsewhere = elsewhere
        self.leg_orders: set[UUID] = set()
        self.positions: dict[int, list[Any]] = {}
        self.tell(
            c.OpenBook(
                command_id=self.new_id(),
                book_id=self.new_id(),
                book_no=7,
                master_login=1,
                currency="USD",
                currency_digits=2,
            )
        )
        self.tell(c.DefineSymbols(command_id=self.new_id(), symbols=SYMBOLS))
        if elsewhere:
            self.tell(c.DefineVenue(command_id=self.new_id(), venue=PRO))
        for account_id in range(1, accounts + 1):
            self.link(account_id)

    @property
    def book(self) -> BookState:
        assert self.state is not None
        return self.state

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def quotes(self) -> dict[str, c.QuoteIn]:
        quotes = {
            name: c.QuoteIn(mid - 5, mid + 5, self.now_ms - 100) for name, mid in self.mid.items()
        }
        if self.elsewhere:
            euro, yen = self.mid["EURUSD"], self.mid["USDJPY"]
            quotes["EURUSD.pro@2"] = c.QuoteIn(euro // 10 - 1, euro // 10 + 2, self.now_ms - 100)
            quotes["USDJPY.pro@2"] = c.QuoteIn(yen - 9, yen + 9, self.now_ms - 100)
        return quotes

    def inputs(self, account: c.AccountInfo | None = None) -> c.Inputs:
        master = c.MasterMoney(balance_minor=5_000_000, equity_minor=5_000_000, at_ms=self.now_ms)
        return c.Inputs(now_ms=self.now_ms, quotes=self.quotes(), account=account, master=master)

    def tick(self) -> None:
        self.now_ms += self.rng.randint(1, 5_000)
        for name in self.mid:
            self.mid[name] += self.rng.randint(-200, 200)

    def tell(self, stimulus: c.AnyStimulus, account: c.AccountInfo | None = None) -> Body:
        """Record what follows and apply it, as the engine does."""
        previous = self.records[-1].digest if self.records else GENESIS
        record, body = make_record(
            self.state,
            stimulus,
            self.inputs(account),
            seq=len(self.records) + 1,
            epoch=1,
            previous=previous,
        )
        body = decode(record.body, Body)
        self.state = advance(self.state, body)
        self.records.append(record)
        self.bodies.append(body)
        for event in body.events:
            if isinstance(event, ev.LegClosed) and not event.order_id.int % 2:
                self.server_balance[event.account_id] += event.pnl_minor
            if isinstance(event, ev.BlockAllocated) and event.block_id in self.book.blocks:
                self.check_caps(event, is_filled=isinstance(stimulus, c.OutsideFill))
        return body

    def check_caps(self, event: ev.BlockAllocated, *, is_filled: bool) -> None:
        """Nobody is beyond its link's terms through this opening."""
        name = self.book.blocks[event.block_id].symbol
        for account, steps in zip(event.account_ids.tolist(), event.steps.tolist(), strict=True):
            terms = self.book.terms.get(account)
            if terms is None or not steps:
                continue
            lots = Decimal(steps) / 100
            assert terms.symbols is None or name in terms.symbols
            assert terms.max_order_lots is None or lots <= terms.max_order_lots
            at = self.book.index[account]
            held = Decimal(0) if is_filled else lots
            held += sum(
                Decimal(int(e.long_steps[at] + e.short_steps[at])) / 100
                for e in self.book.exposures.values()
            )
            assert terms.max_open_lots is None or held <= terms.max_open_lots

    def link(self, account_id: int) -> Body:
        currency = self.rng.choice(list(CURRENCIES))
        balance = self.rng.randint(50_000, 50_000_000)
        at = self.state.index.get(account_id) if self.state else None
        if at is not None:
            currency = self.book.currencies[int(self.book.members.currency[at])]
            balance = int(self.book.members.balance_minor[at])
        info = c.AccountInfo(
            account_id=account_id,
            login=10_000 + account_id,
            currency=currency,
            currency_digits=CURRENCIES[currency],
            leverage=self.rng.choice([30, 100, 200]),
            balance_minor=balance,
            server_id=ELSEWHERE if account_id <= self.elsewhere else 0,
        )
        body = self.tell(c.LinkAccount(command_id=self.new_id(), account_id=account_id), info)
        if body.result:
            self.server_balance[account_id] = balance
        return body

    def place(self, lots: str, name: str = "EURUSD", side: str = "buy", **over: object) -> Body:
        return self.tell(
            c.PlaceBlock(
                command_id=self.new_id(),
                symbol=name,
                side=side,  # type: ignore[arg-type]
                volume_lots=Decimal(lots),
                **over,  # type: ignore[arg-type]
            )
        )

    def serve(self) -> bool:
        """The trading server settles the oldest intent it feels like settling."""
        intents = list(self.book.intents.items())
        if not intents:
            return False
        key, intent = intents[0] if not self.moods else self.rng.choice(intents)
        match intent:
            case SubmitIntent():
                self._fill(intent)
            case LegIntent():
                self._leg(intent)
            case CancelIntent():
                self.tell(
                    c.CancelReported(command_id=self.new_id(), cancel_id=key, done=False, code="x")
                )
            case BookingIntent():
                for account, pnl in zip(intent.account_ids, intent.pnl_minor, strict=False):
                    self.server_balance[int(account)] += int(pnl)
                self.tell(c.BookingReported(command_id=self.new_id(), booking_id=key, done=True))
            case BalanceIntent():
                done = not self.moods or self.rng.random() < 0.8
                if done:
                    self.server_balance[intent.account_id] += intent.amount_minor
                self.tell(c.BalanceReported(command_id=self.new_id(), operation_id=key, done=done))
        return True

    def _fill(self, intent: SubmitIntent) -> None:
        filled = self.sent.get(intent.order_id, 0)
        left = intent.steps - filled
        mood = self.rng.random() if self.moods else 0.0
        if mood > 0.9:
            self.tell(
                c.OrderEnded(
                    command_id=self.new_id(), order_id=intent.order_id, how="rejected", code="no"
                )
            )
            return
        steps = self.rng.randint(1, left) if mood > 0.6 else left
        self.sent[intent.order_id] = filled + steps
        self.deals += 1
        quote = self.quotes()[intent.symbol]
        self.tell(
            c.FillReported(
                command_id=self.new_id(),
                order_id=intent.order_id,
                deal_id=str(self.deals),
                steps=steps,
                cum_steps=filled + steps,
                leaves_steps=left - steps,
                price_points=quote.ask if intent.side == "buy" else quote.bid,
                rates={"USD": Decimal(1)} if intent.symbol != "USDJPY" else {},
                server_seq=self.deals,
                at_ms=self.now_ms,
            )
        )

    def _leg(self, intent: LegIntent) -> None:
        """One account's order on its own server, which keeps the positions and the money."""
        filled = self.sent.get(intent.order_id, 0)
        mood = self.rng.random() if self.moods else 0.0
        if mood > 0.85:
            how: Any = self.rng.choice(["rejected", "expired"])
            self.tell(
                c.OrderEnded(
                    command_id=self.new_id(), order_id=intent.order_id, how=how, code="no_money"
                )
            )
            return
        self.leg_orders.add(intent.order_id)
        left = intent.own_steps - filled
        steps = self.rng.randint(1, left) if mood > 0.6 else left
        self.sent[intent.order_id] = filled + steps
        self.deals += 1
        quote = self.quotes()[intent.symbol]
        price = quote.ask if intent.side == "buy" else quote.bid
        price += self.rng.randint(-3, 3)
        block = self.book.blocks[intent.block_id]
        at = int(block.members[intent.ordinal])
        profit = None
        if intent.close_id is not None and intent.order_id.int % 2:
            digits = CURRENCIES[self.book.currencies[int(self.book.members.currency[at])]]
            posted = self.rng.randint(-10_000, 10_000)
            profit = Decimal(posted).scaleb(-digits)
            self.server_balance[int(self.book.members.account_ids[at])] += posted
        self.tell(
            c.FillReported(
                command_id=self.new_id(),
                order_id=intent.order_id,
                deal_id=str(self.deals),
                steps=steps,
                cum_steps=filled + steps,
                leaves_steps=left - steps,
                price_points=price,
                rates={},
                server_seq=self.deals,
                at_ms=self.now_ms,
                server_id=intent.server_id,
                position_id=self.deals,
                profit=profit,
            )
        )

    def outside(self, name: str, side: str, steps: int) -> Body:
        """An EA trades on the master."""
        self.deals += 1
        quote = self.quotes()[name]
        return self.tell(
            c.OutsideFill(
                command_id=self.new_id(),
                deal_id=str(self.deals),
                symbol=name,
                side=side,  # type: ignore[arg-type]
                steps=steps,
                price_points=quote.ask if side == "buy" else quote.bid,
                rates={},
                server_seq=self.deals,
                at_ms=self.now_ms,
            )
        )

    def settle(self, limit: int = 500) -> None:
        """Serve until nothing is on its way."""
        for _ in range(limit):
            if not self.serve():
                return
        raise AssertionError("the server never came to rest")

    def some_terms(self) -> LinkTerms:
        """Random terms, each present half the time."""

        def maybe(low: int, high: int) -> Decimal | None:
            return Decimal(self.rng.randint(low, high)) / 100 if self.rng.random() < 0.5 else None

        limit = maybe(1, 2_000)
        return LinkTerms(
            parameter=maybe(0, 500),
            lots=maybe(0, 300),
            max_order_lots=maybe(0, 500),
            max_open_lots=maybe(1, 3_000),
            max_symbol_lots={"EURUSD": limit} if limit is not None else {},
            symbols=["EURUSD", "USDJPY"] if self.rng.random() < 0.2 else None,
            max_leverage=maybe(10, 5_000),
        )

    def direct(self) -> None:
        """One random thing about rules, links and what stands."""
        rng, name = self.rng, self.rng.choice(list(self.mid))
        blocks = list(self.book.blocks.values())
        account = rng.randint(1, 15)
        match rng.randint(0, 10 if not self.elsewhere else 14):
            case 11 | 12:
                mode: Any = rng.choice(["auto", "mirror", "block"])
                self.tell(c.SetExecution(command_id=self.new_id(), mode=mode))
            case 13 | 14 if blocks:
                some = None if rng.random() < 0.5 else [account]
                self.tell(
                    c.RetryLegs(
                        command_id=self.new_id(),
                        block_id=rng.choice(blocks).block_id,
                        account_ids=some,
                    )
                )
            case 0:
                method = rng.choice([m for m in Method if m is not Method.CUSTOM])
                rule = Rule(
                    method=method,
                    below_min=rng.choice(["skip", "skip_redistribute", "bump_to_min"]),  # type: ignore[arg-type]
                    cap_policy=rng.choice(["clip", "clip_redistribute"]),  # type: ignore[arg-type]
                    residual_policy=rng.choice(  # type: ignore[arg-type]
                        ["largest_remainder", "largest_weight_first", "round_robin"]
                    ),
                )
                self.tell(
                    c.SetRule(command_id=self.new_id(), rule=rule, defaults=self.some_terms())
                )
            case 1 | 2:
                terms = self.some_terms()
                self.tell(c.SetLinkTerms(command_id=self.new_id(), account_id=account, terms=terms))
            case 3:
                status = rng.choice(["active", "active", "paused", "close_only"])
                self.tell(
                    c.SetLinkStatus(
                        command_id=self.new_id(),
                        account_id=account,
                        status=status,  # type: ignore[arg-type]
                    )
                )
            case 4 if blocks:
                block = rng.choice(blocks)
                mid = self.mid[block.symbol]
                digits = self.book.symbols[block.symbol].digits
                self.tell(
                    c.AmendBlock(
                        command_id=self.new_id(),
                        block_id=block.block_id,
                        stop_loss=Decimal(mid - block.sign * rng.randint(20, 400)).scaleb(-digits),
                        take_profit=rng.choice([None, Decimal(0)]),
                    )
                )
            case 5 if blocks:
                self.tell(
                    c.StopBlock(command_id=self.new_id(), block_id=rng.choice(blocks).block_id)
                )
            case 8 | 9:
                self.outside(name, rng.choice(["buy", "sell"]), rng.randint(1, 400))
            case 6:
                self.tell(c.CloseAll(command_id=self.new_id(), symbol=name))
            case 7:
                self.tell(c.CancelAll(command_id=self.new_id(), symbol=rng.choice([None, name])))
            case _:
                mid, digits = self.mid[name], self.book.symbols[name].digits
                side = rng.choice(["buy", "sell"])
                away = -rng.randint(20, 500) if side == "buy" else rng.randint(20, 500)
                manual = {rng.randint(1, 15): Decimal(rng.randint(0, 200)) / 100}
                self.place(
                    f"{rng.randint(1, 900) / 100:.2f}",
                    name,
                    side,
                    stop_loss=Decimal(mid + away).scaleb(-digits),
                    manual_lots=manual if rng.random() < 0.4 else {},
                )

    def act(self) -> None:
        """One random thing."""
        self.tick()
        if self.directs and self.rng.random() < 0.25:
            self.direct()
            return
        blocks = list(self.book.blocks)
        account = self.rng.randint(1, 15)
        match self.rng.randint(0, 19):
            case 0 | 1 | 2:
                name = self.rng.choice(list(self.mid))
                lots = f"{self.rng.randint(1, 900) / 100:.2f}"
                own = Rule(carry_forward=self.rng.random() < 0.8)
                rule = own if not self.directs or self.rng.random() < 0.5 else None
                self.place(lots, name, self.rng.choice(["buy", "sell"]), rule=rule)
            case 3:
                price = Decimal(self.mid["EURUSD"] - self.rng.randint(10, 300)).scaleb(-5)
                self.place("2.00", kind="limit", price=price)
            case 4 | 5 if blocks:
                fraction = Decimal(self.rng.randint(1, 100)) / 100
                whole = self.rng.random() < 0.4
                self.tell(
                    c.CloseBlock(
                        command_id=self.new_id(),
                        block_id=self.rng.choice(blocks),
                        fraction=None if whole else fraction,
                    )
                )
            case 6 if blocks:
                self.tell(c.CancelBlock(command_id=self.new_id(), block_id=self.rng.choice(blocks)))
            case 7 if blocks:
                self.tell(
                    c.TriggerBlock(command_id=self.new_id(), block_id=self.rng.choice(blocks))
                )
            case 8:
                self.tell(c.UnlinkAccount(command_id=self.new_id(), account_id=account))
            case 9:
                try:
                    self.link(account)
                except InputError:
                    return
            case 10:
                kind = self.rng.choice(["deposit", "withdrawal", "fee"])
                self.tell(
                    c.AdjustBalance(
                        command_id=self.new_id(),
                        account_id=account,
                        kind=kind,  # type: ignore[arg-type]
                        amount_minor=self.rng.randint(1, 100_000),
                    )
                )
            case _:
                self.serve()

    def check(self) -> None:
        """What must hold after every record."""
        book = self.book
        exposed: dict[str, int] = {}
        for block in book.blocks.values():
            assert (block.open_steps >= 0).all()
            assert (block.closing_steps >= 0).all()
            assert (block.closing_steps <= block.open_steps).all()
            assert (block.given_steps <= block.base_steps).all()
            free = block.open_steps - block.closing_steps
            assert (block.base_steps - block.given_steps == free).all()
            legs = block.legs
            booked = block.open_steps if legs is None else block.open_steps[~legs.is_leg]
            exposed[block.symbol] = exposed.get(block.symbol, 0) + int(booked.sum())
            if legs is None:
                continue
            for at in np.flatnonzero(legs.is_leg).tolist():
                key = legs.symbol(at)
                exposed[key] = exposed.get(key, 0) + int(legs.own_open[at])
            assert (legs.own_open >= legs.own_closing).all()
            assert ((legs.own_open > 0) == (block.open_steps > 0))[legs.is_leg].all()
            assert legs.pending == int(np.count_nonzero(legs.on_way))
        for name, exposure in book.exposures.items():
            total = int(exposure.long_steps.sum() + exposure.short_steps.sum())
            assert total == exposed.get(name, 0)
            assert (exposure.long_steps >= 0).all()
            assert (exposure.short_steps >= 0).all()
            flat = exposure.long_steps == 0
            assert (exposure.long_cost[flat] == 0).all()
        for carry in book.carries.values():
            assert carry.numerators.size == book.members.size
            assert np.abs(carry.numerators).max(initial=0) <= 2 * carry.denominator


def replay(records: list[Record]) -> BookState:
    """The state that the encoded records alone give."""
    state: BookState | None = None
    for record in records:
        state = advance(state, decode(record.body, Body))
    assert state is not None
    return state


def same(left: BookState, right: BookState) -> bool:
    return encode(left) == encode(right)
