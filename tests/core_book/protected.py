"""What the engine does for protection, done to a World: watch, advance, begin days; and people
who set limits at random."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.market import Market
from apps.core.book.marking import floating, margin_per_step, used_margin
from apps.core.book.risk.confirming import look, make_token
from apps.core.book.risk.settings import Protection
from apps.core.book.risk.stopping import due_steps
from apps.core.book.risk.watching import Watch
from apps.core.book.risk.worth import master_sum
from apps.core.book.state import DETACHED
from apps.core.errors import ConflictError
from apps.core.protection import DailyBase
from tests.core_book.world import World

DAY_MS = 86_400_000


class ProtectedWorld(World):
    """A world with an engine's eye on limits. `watch` is what that engine remembers."""

    watch: Watch | None = None

    def market(self) -> Market:
        return Market(self.quotes(), self.now_ms, 15_000)

    def protect(self, account_id: int | None = None, **over: object) -> c.AnyStimulus:
        """Set one party's limits of an account (None: as `scope` says)."""
        party = over.pop("party", "broker")
        scope = over.pop("scope", "account" if account_id is not None else "every_account")
        command = c.SetProtection(
            command_id=self.new_id(),
            scope=scope,  # type: ignore[arg-type]
            party=party,  # type: ignore[arg-type]
            account_id=account_id,
            protection=Protection(**over),  # type: ignore[arg-type]
        )
        self.tell(command)
        return command

    def mark(self) -> bool:
        """One marking; whether somebody was at a limit (and was told)."""
        book, market = self.book, self.market()
        self.watch = Watch(book, self.watch)
        worth = book.members.balance_minor + floating(book, market)
        heights = self.watch.look(book, worth, master_sum(book, market, worth))
        if heights.account_ids.size:
            self.tell(c.ReachLimits(command_id=self.new_id(), heights=heights))
        risen = self.watch.risen(book)
        if risen.account_ids.size:
            self.tell(c.SeePeaks(command_id=self.new_id(), heights=risen))
        return bool(heights.account_ids.size)

    def advance(self) -> bool:
        """One step of the stops, where one is due."""
        if not any(due_steps(self.book, self.now_ms)):
            return False
        self.tell(c.AdvanceStops(command_id=self.new_id()))
        return True

    def stop_out(self, limit: int = 400) -> None:
        """Until every stop is blocked and nothing is on its way."""
        for _ in range(limit):
            moved = self.advance() | self.serve()
            risk = self.book.risk
            stops = [*risk.stops.values(), *([risk.master_stop] if risk.master_stop else [])]
            if not moved and all(stop.phase == "blocked" for stop in stops):
                return
            self.now_ms += 1_000
        raise AssertionError("a stop never came to its end")

    def begin_day(self) -> None:
        day = f"day-{self.now_ms // DAY_MS:09d}"
        if self.book.risk.has_limits and day > self.book.risk.day:
            self.tell(c.StartDay(command_id=self.new_id(), day=day))

    def hard_stop(self) -> None:
        try:
            token = make_token(look(self.book, self.market()))
        except ConflictError:
            return
        self.tell(c.HardStop(command_id=self.new_id(), party="manager", token=token))

    def server_closes(self) -> None:
        """The server closes some ticket from its side."""
        blocks = [
            b
            for b in self.book.blocks.values()
            if b.status == "open" and (b.open_steps - b.closing_steps).any()
        ]
        if not blocks:
            return
        block = self.rng.choice(blocks)
        booked = [self.server.tickets.get(ticket, 0) for ticket in block.ticket_ids.tolist()]
        free = np.minimum(block.open_steps - block.closing_steps, np.array(booked))
        if not free.any():
            return
        ordinal = self.rng.choice(np.flatnonzero(free).tolist())
        place = int(block.members[ordinal])
        pnl = self.rng.randint(-5_000, 1_000)
        digits = self.book.digits_of[self.book.currencies[int(self.book.members.currency[place])]]
        steps = self.rng.randint(1, int(free[ordinal]))
        self.server.close_itself(block.first_ticket_id + ordinal, steps, pnl)
        self.deals += 1
        self.tell(
            c.ServerClosed(
                command_id=self.new_id(),
                ticket_id=block.first_ticket_id + ordinal,
                deal_id=f"own{self.deals}",
                steps=steps,
                price_points=self.mid[block.symbol],
                pnl=Decimal(pnl).scaleb(-digits),
                reason="stop_out",
                server_seq=self.deals,
                at_ms=self.now_ms,
            )
        )

    def some_limits(self) -> dict[str, object]:
        rng = self.rng

        def maybe(low: int, high: int) -> Decimal | None:
            return Decimal(rng.randint(low, high)) / 10 if rng.random() < 0.4 else None

        return {
            "trailing_percent": maybe(1, 40),
            "daily_loss_percent": maybe(1, 40),
            "daily_base": rng.choice(list(DailyBase)),
            "margin_level_min_pct": rng.choice([None, 150, 400]),
            "max_leverage": maybe(5, 300),
        }

    def guard(self) -> None:
        """One random thing about protection."""
        rng = self.rng
        party = rng.choice(["investor", "manager", "broker"])
        match rng.randint(0, 9):
            case 0:
                amount = rng.choice([None, rng.randint(1, 20_000)])
                account = rng.randint(1, 15)
                self.protect(account, party=party, trailing_minor=amount, **self.some_limits())
            case 1:
                self.protect(None, party=party, **self.some_limits())
            case 2:
                limits = {k: v for k, v in self.some_limits().items() if "percent" in k}
                self.protect(None, party=party, scope="master", **limits)
            case 3:
                self.hard_stop()
            case 4 | 5:
                ids = [*self.book.risk.stops, None]
                self.tell(
                    c.LiftStop(command_id=self.new_id(), party="broker", account_id=rng.choice(ids))
                )
            case 6:
                self.server_closes()
            case 7:
                self.now_ms += DAY_MS
            case _:
                self.advance()

    def act(self) -> None:
        if self.rng.random() < 0.2:
            self.guard()
        else:
            super().act()
        self.begin_day()
        self.mark()
        if self.rng.random() < 0.4:
            self.advance()

    def check(self) -> None:
        super().check()
        book, risk = self.book, self.book.risk
        references = risk.references
        assert len(set(references.account_ids.tolist())) == references.size
        for name in references.__struct_fields__:
            assert getattr(references, name).size == references.size
        assert (references.peak >= references.initial).all()
        for account_id in references.account_ids.tolist():
            assert risk.is_watched(account_id)
            assert book.members.status[book.index[account_id]] != DETACHED
        for account_id, stop in risk.stops.items():
            at = book.index[account_id]
            held = sum(int(b.open_steps[b.members == at].sum()) for b in book.blocks.values())
            assert stop.phase != "blocked" or held == 0
        if risk.master_stop is not None and risk.master_stop.phase == "blocked":
            assert not book.blocks

    def check_caps(self, event: ev.BlockAllocated, *, is_filled: bool) -> None:
        super().check_caps(event, is_filled=is_filled)
        shares = zip(event.account_ids.tolist(), event.steps.tolist(), strict=True)
        stopped = self.book.risk.stops
        assert all(steps == 0 for account, steps in shares if account in stopped)
        assert self.book.risk.master_stop is None
        self.check_margin(event, is_filled=is_filled)

    def check_margin(self, event: ev.BlockAllocated, *, is_filled: bool) -> None:
        """No opening takes an account below its least margin level or above its leverage."""
        book, market = self.book, self.market()
        block = book.blocks[event.block_id]
        worth = dict(zip(event.account_ids.tolist(), event.equity_minor.tolist(), strict=True))
        symbol = book.symbols[block.symbol]
        used, notional = used_margin(book, market), used_margin(book, market, leverage=1)
        for account, steps in zip(event.account_ids.tolist(), event.steps.tolist(), strict=True):
            sets = [*book.risk.own.get(account, {}).values(), *book.risk.every.values()]
            if not steps or not sets:
                continue
            at = book.index[account]
            currency = book.currencies[int(book.members.currency[at])]
            own = int(book.members.leverage[at])
            for lever, base, kind in ((own, used, "margin"), (1, notional, "leverage")):
                per_step = margin_per_step(book, market, symbol, currency, lever)
                assert per_step is not None
                after = int(base[at]) + (0 if is_filled else steps * per_step)
                for protection in sets:
                    level, most = protection.margin_level_min_pct, protection.max_leverage
                    if kind == "margin" and level is not None:
                        assert worth[account] * 100 >= level * (after - 1)
                    if kind == "leverage" and most is not None:
                        assert after - 1 <= worth[account] * most
