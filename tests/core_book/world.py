"""A seeded world around one pure book: quotes, people, and a trading server with moods.

Everything random comes from the seed, so that a failing seed replays exactly. Thousands of seeds:

    python -m tests.core_book.simulate --seeds 3000          # every seed from 0, on all cores
    python -m tests.core_book.simulate --only 1234           # one seed again, with its failure
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import decode, encode
from apps.core.book.records import GENESIS, Body, Record, advance, make_record
from apps.core.book.state import DETACHED, Block, BookState
from tests.core_book import people
from tests.core_book.coming import Coming
from tests.core_book.elsewhere import PRO, keep_legs, pro_quotes
from tests.core_book.server import Deal, Server

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
PRICES = {"EURUSD": 108_000, "GBPUSD": 127_000, "USDJPY": 150_000}


class World(Coming):
    """`state` is the book, `records` its journal; `tell` and `ask` are how things happen."""

    def __init__(
        self,
        seed: int,
        accounts: int = 12,
        moods: bool = True,
        directs: bool = True,
        is_plain: bool = False,
        elsewhere: int = 0,
    ) -> None:
        """`is_plain`: accounts join for new trades and leave at the market, in no other way."""
        self.rng = random.Random(seed)
        self.moods = moods
        self.directs = directs
        self.is_plain = is_plain
        self.now_ms = START_MS
        self.mid = dict(PRICES)
        self.records: list[Record] = []
        self.bodies: list[Body] = []
        self.state: BookState | None = None
        self.deals = 0
        self.server = Server(self)
        self.start_links()
        self.elsewhere = elsewhere
        self.is_resting = False
        """The server ends limits that rest, so that the world comes to rest."""
        self.can_net = random.Random(~seed).random() < 0.5
        self._known: dict[UUID, Body] = {}
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
        at_ms = self.now_ms - 100
        quotes = {name: c.QuoteIn(mid - 5, mid + 5, at_ms) for name, mid in self.mid.items()}
        return quotes | pro_quotes(self.mid, at_ms) if self.elsewhere else quotes

    def inputs(
        self, account: c.AccountInfo | None = None, accounts: c.AccountTable | None = None
    ) -> c.Inputs:
        master = c.MasterMoney(balance_minor=5_000_000, equity_minor=5_000_000, at_ms=self.now_ms)
        return c.Inputs(
            now_ms=self.now_ms,
            quotes=self.quotes(),
            account=account,
            accounts=accounts,
            edition=1,
            master=master,
            can_net=self.can_net,
        )

    def tick(self) -> None:
        self.now_ms += self.rng.randint(1, 5_000)
        for name in self.mid:
            self.mid[name] += self.rng.randint(-200, 200)

    def tell(
        self,
        stimulus: c.AnyStimulus,
        account: c.AccountInfo | None = None,
        accounts: c.AccountTable | None = None,
    ) -> Body:
        """Record what follows and apply it, as the engine does: a repeat changes nothing."""
        if stimulus.command_id in self._known:
            return self._known[stimulus.command_id]
        previous = self.records[-1].digest if self.records else GENESIS
        record, body = make_record(
            self.state,
            stimulus,
            self.inputs(account, accounts),
            seq=len(self.records) + 1,
            epoch=1,
            previous=previous,
        )
        body = decode(record.body, Body)
        for event in body.events:
            if isinstance(event, ev.StopTrailed):
                self.check_trail(event)
        self.state = advance(self.state, body)
        self.records.append(record)
        self.bodies.append(body)
        self._known[stimulus.command_id] = body
        keep_legs(self, body)
        for event in body.events:
            match event:
                case ev.BlockAllocated() if event.block_id in self.book.blocks:
                    is_filled = isinstance(stimulus, c.OutsideFill | c.FillReported)
                    self.check_caps(event, is_filled=is_filled)
                case ev.BlockFilled():
                    self.check_rounding(event)
                    assert event.block_id not in self.prices
                    self.prices[event.block_id] = event.price_points
                case ev.CloseFilled():
                    self.check_rounding(event)
                case ev.TicketsReleased():
                    self.keep(event)
        return body

    def check_rounding(self, event: ev.BlockFilled | ev.CloseFilled) -> None:
        """What was paid is what the tickets were booked at, and the house's difference."""
        deals = [self.server.deals[deal_id] for deal_id in event.deal_ids]
        paid = sum(deal.steps * deal.points for deal in deals)
        if sum(deal.steps for deal in deals) == event.filled_steps:
            booked = event.price_points * event.filled_steps
            assert paid == booked + event.house_points_steps
        else:  # some of one deal from outside, or both sides netted: nothing to round
            assert event.house_points_steps == 0
            assert len(deals) <= 1

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

    def new_deal(self) -> str:
        self.deals += 1
        return str(self.deals)

    def serve(self) -> bool:
        """The trading server settles one thing; False when nothing is on its way."""
        return self.server.serve()

    def outside(self, name: str, side: str, steps: int) -> Body:
        """An EA trades on the master."""
        deal_id = self.new_deal()
        quote = self.quotes()[name]
        points = quote.ask if side == "buy" else quote.bid
        self.server.deals[deal_id] = Deal(steps, points, steps)
        return self.tell(
            c.OutsideFill(
                command_id=self.new_id(),
                deal_id=deal_id,
                symbol=name,
                side=side,  # type: ignore[arg-type]
                steps=steps,
                price_points=points,
                rates={},
                server_seq=self.deals,
                at_ms=self.now_ms,
            )
        )

    def settle(self, limit: int = 500) -> None:
        """Serve until nothing is on its way."""
        self.is_resting = True
        for _ in range(limit):
            if not self.serve():
                self.is_resting = False
                return
        raise AssertionError("the server never came to rest")

    def act(self) -> None:
        """One random thing."""
        people.act(self)

    def check(self) -> None:
        """What must hold after every record."""
        book = self.book
        exposed: dict[str, int] = {}
        for ticket, one in book.own_tickets.items():
            assert book.members.status[book.index[one.account_id]] != DETACHED
            assert self.kept[ticket].steps == one.steps
            exposed[one.symbol] = exposed.get(one.symbol, 0) + one.steps
        for block in book.blocks.values():
            assert (block.open_steps >= 0).all()
            assert (block.closing_steps >= 0).all()
            assert (block.closing_steps <= block.open_steps).all()
            assert (block.given_steps <= block.base_steps).all()
            free = block.open_steps - block.closing_steps
            assert (block.base_steps - block.given_steps == free).all()
            if block.status == "open":
                self.check_stop(block)
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

    def check_stop(self, block: Block) -> None:
        """A block that trails has a stop loss."""
        assert block.trailing_points is None or block.sl_points is not None

    def check_trail(self, event: ev.StopTrailed) -> None:
        """Trailing only ever makes a stop loss tighter, and by a step at least."""
        block = self.book.blocks[event.block_id]
        if block.sl_points is not None:
            moved = (event.sl_points - block.sl_points) * block.sign
            least = 1 if block.status == "sent" else block.trailing_step_points or 1
            assert moved >= least


def replay(records: list[Record]) -> BookState:
    """The state that the encoded records alone give."""
    state: BookState | None = None
    for record in records:
        state = advance(state, decode(record.body, Body))
    assert state is not None
    return state


def same(left: BookState, right: BookState) -> bool:
    return encode(left) == encode(right)
