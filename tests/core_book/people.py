"""What people, programs and time do to a seeded world: one random thing after the other."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from apps.core.allocation import Method, Rule
from apps.core.book import commands as c
from apps.core.book.terms import LinkTerms
from apps.engine.due import due
from tests.core_book import elsewhere

if TYPE_CHECKING:
    from tests.core_book.world import World


def some_terms(world: World) -> LinkTerms:
    """Random terms, each present half the time."""

    def maybe(low: int, high: int) -> Decimal | None:
        return Decimal(world.rng.randint(low, high)) / 100 if world.rng.random() < 0.5 else None

    limit = maybe(1, 2_000)
    return LinkTerms(
        parameter=maybe(0, 500),
        lots=maybe(0, 300),
        max_order_lots=maybe(0, 500),
        max_open_lots=maybe(1, 3_000),
        max_symbol_lots={"EURUSD": limit} if limit is not None else {},
        symbols=["EURUSD", "USDJPY"] if world.rng.random() < 0.2 else None,
        max_leverage=maybe(10, 5_000),
    )


def act(world: World) -> None:
    """Time passes, prices move, and one random thing happens."""
    world.tick()
    rng = world.rng
    if world.directs and rng.random() < 0.7:
        watch(world)
    if world.directs and rng.random() < 0.2:
        order(world)
    elif world.directs and rng.random() < 0.25:
        if world.elsewhere and rng.random() < 0.3:
            elsewhere.direct(world)
        else:
            direct(world)
    else:
        trade(world)


def watch(world: World) -> None:
    """What the engine notices: triggers, stops, trailing, expiries. Not every tick is seen."""
    for block in list(world.book.blocks.values()):
        kind = due(world.book, block, world.quotes()[block.symbol], world.now_ms)
        if kind is not None:
            world.tell(kind(command_id=world.new_id(), block_id=block.block_id))


def trade(world: World) -> None:
    """Orders, closings, cancellations, joins, leaves, money; mostly the server serves."""
    rng = world.rng
    blocks = list(world.book.blocks)
    account = rng.randint(1, 15)
    match rng.randint(0, 19):
        case 0 | 1 | 2:
            name = rng.choice(list(world.mid))
            lots = f"{rng.randint(1, 900) / 100:.2f}"
            own = Rule(carry_forward=rng.random() < 0.8)
            rule = own if not world.directs or rng.random() < 0.5 else None
            world.place(lots, name, rng.choice(["buy", "sell"]), rule=rule)
        case 3:
            price = Decimal(world.mid["EURUSD"] - rng.randint(10, 300)).scaleb(-5)
            world.place("2.00", kind="limit", price=price)
        case 4 | 5 if blocks:
            fraction = Decimal(rng.randint(1, 100)) / 100
            whole = rng.random() < 0.4
            world.tell(
                c.CloseBlock(
                    command_id=world.new_id(),
                    block_id=rng.choice(blocks),
                    fraction=None if whole else fraction,
                )
            )
        case 6 if blocks:
            world.tell(c.CancelBlock(command_id=world.new_id(), block_id=rng.choice(blocks)))
        case 7 if blocks:
            world.tell(c.TriggerBlock(command_id=world.new_id(), block_id=rng.choice(blocks)))
        case 8 if world.directs and not world.is_plain:
            world.part(account)
        case 9 if world.directs and not world.is_plain:
            world.join(account)
        case 8:
            world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=account))
        case 9:
            world.link(account)
        case 10:
            kind = rng.choice(["deposit", "withdrawal", "fee"])
            world.tell(
                c.AdjustBalance(
                    command_id=world.new_id(),
                    account_id=account,
                    kind=kind,  # type: ignore[arg-type]
                    amount_minor=rng.randint(1, 100_000),
                    former=account % 2 == 0,
                )
            )
        case _:
            world.serve()


def order(world: World) -> None:
    """One random thing about orders that wait, trail, turn or cancel each other out."""
    rng, name = world.rng, world.rng.choice(list(world.mid))
    mid, digits = world.mid[name], world.book.symbols[name].digits
    side = rng.choice(["buy", "sell"])
    sign = 1 if side == "buy" else -1
    blocks = list(world.book.blocks.values())

    def price(points: int) -> Decimal:
        return Decimal(points).scaleb(-digits)

    def some_lots() -> str:
        return f"{rng.randint(1, 900) / 100:.2f}"

    match rng.randint(0, 8):
        case 0 | 1:
            world.place(some_lots(), name, side, trailing_distance=price(rng.randint(8, 300)))
        case 2:
            stop = mid + sign * rng.randint(6, 300)
            over: dict[str, Any] = {"kind": "stop", "price": price(stop)}
            if rng.random() < 0.6:
                limit = price(stop + rng.randint(-60, 60))
                over |= {"kind": "stop_limit", "limit_price": limit}
            if rng.random() < 0.3:
                over |= {"expiry": "date", "expires_at_ms": world.now_ms + rng.randint(1, 90_000)}
            if rng.random() < 0.5:
                over["trailing_distance"] = price(rng.randint(11, 200))
            world.place(some_lots(), name, side, **over)
        case 3 | 4 if blocks:
            lots = None if rng.random() < 0.6 else Decimal(some_lots())
            block = rng.choice(blocks)
            world.tell(
                c.ReverseBlock(command_id=world.new_id(), block_id=block.block_id, volume_lots=lots)
            )
        case 5 | 6 if blocks:
            one = rng.choice(blocks)
            others = [b for b in blocks if b.symbol == one.symbol and b.side != one.side]
            other = rng.choice(others or blocks)
            world.tell(
                c.CloseBy(
                    command_id=world.new_id(),
                    block_id=one.block_id,
                    other_block_id=other.block_id,
                )
            )
        case 7 if blocks:
            world.tell(
                c.AmendBlock(
                    command_id=world.new_id(),
                    block_id=rng.choice(blocks).block_id,
                    trailing_distance=rng.choice([Decimal(0), price(rng.randint(8, 300))]),
                )
            )
        case _:
            world.tell(world.rng.choice(world.bodies).stimulus)


def direct(world: World) -> None:
    """One random thing about rules, links and what stands."""
    rng, name = world.rng, world.rng.choice(list(world.mid))
    blocks = list(world.book.blocks.values())
    account = rng.randint(1, 15)
    match rng.randint(0, 10):
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
            defaults = some_terms(world)
            world.tell(c.SetRule(command_id=world.new_id(), rule=rule, defaults=defaults))
        case 1 | 2:
            terms = some_terms(world)
            world.tell(c.SetLinkTerms(command_id=world.new_id(), account_id=account, terms=terms))
        case 3:
            status = rng.choice(["active", "active", "paused", "close_only"])
            world.tell(
                c.SetLinkStatus(
                    command_id=world.new_id(),
                    account_id=account,
                    status=status,  # type: ignore[arg-type]
                )
            )
        case 4 if blocks:
            block = rng.choice(blocks)
            mid = world.mid[block.symbol]
            digits = world.book.symbols[block.symbol].digits
            world.tell(
                c.AmendBlock(
                    command_id=world.new_id(),
                    block_id=block.block_id,
                    stop_loss=Decimal(mid - block.sign * rng.randint(20, 400)).scaleb(-digits),
                    take_profit=rng.choice([None, Decimal(0)]),
                )
            )
        case 5 if blocks:
            world.tell(c.StopBlock(command_id=world.new_id(), block_id=rng.choice(blocks).block_id))
        case 8 | 9:
            world.outside(name, rng.choice(["buy", "sell"]), rng.randint(1, 400))
        case 6:
            world.tell(c.CloseAll(command_id=world.new_id(), symbol=name))
        case 7:
            symbol = rng.choice([None, name])
            world.tell(c.CancelAll(command_id=world.new_id(), symbol=symbol))
        case _:
            mid, digits = world.mid[name], world.book.symbols[name].digits
            side = rng.choice(["buy", "sell"])
            away = -rng.randint(20, 500) if side == "buy" else rng.randint(20, 500)
            manual = {rng.randint(1, 15): Decimal(rng.randint(0, 200)) / 100}
            world.place(
                f"{rng.randint(1, 900) / 100:.2f}",
                name,
                side,
                stop_loss=Decimal(mid + away).scaleb(-digits),
                manual_lots=manual if rng.random() < 0.4 else {},
            )
