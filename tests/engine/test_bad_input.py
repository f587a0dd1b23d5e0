"""Bad input through the API to a running engine: a coded error, and nothing is changed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.api_keys import create_key
from apps.accounts.models import ApiKey, Master
from apps.core.sessions import WEEK_MINUTES, minute_of_week
from apps.demo.main_job_setup import Stage, make_stage
from apps.engine import client
from tenants.door import broker_schema
from tenants.models import Broker
from tests.api.calling import Caller, code
from tests.engine.desk import Desk, EngineThread, wait_for
from tests.factories import master, person
from tests.servers.peer import SimulatorProcess

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database

At = Callable[[str], Client]
ORDER = {"symbol": "EURUSD", "side": "buy", "lots": "1.00"}
NOBODY = "00000000-0000-4000-8000-000000000000"
STOP_LIMIT = {"type": "stop_limit", "price": "1.99"}

PLACING: list[tuple[str, dict[str, Any], tuple[int, str]]] = [
    ("negative lots", {"lots": "-1"}, (400, "lots_not_positive")),
    ("no lots", {"lots": "0"}, (400, "lots_not_positive")),
    ("not a number", {"lots": "NaN"}, (400, "lots_invalid")),
    ("infinite", {"lots": "Infinity"}, (400, "lots_invalid")),
    ("a float", {"lots": 1.5}, (400, "lots_not_string")),
    ("more digits than any volume", {"lots": "0.000000001"}, (400, "lots_invalid")),
    ("off the step", {"lots": "1.005"}, (422, "volume_off_step")),
    ("above the largest order", {"lots": "1000.01"}, (422, "volume_above_max")),
    ("an unknown symbol", {"symbol": "NOPE"}, (404, "unknown_symbol")),
    ("no symbol's name", {"symbol": "'; --"}, (400, "invalid_request")),
    ("a closed market", {"symbol": "XAUUSD"}, (422, "market_closed")),
    ("an unknown side", {"side": "up"}, (400, "invalid_choice")),
    ("an unknown type", {"type": "trailing"}, (400, "invalid_choice")),
    ("an unknown field", {"volume": "1"}, (400, "field_unknown")),
    ("a price of a market order", {"price": "1.1"}, (400, "price_not_allowed")),
    ("no price of a limit", {"type": "limit"}, (400, "price_required")),
    ("a price off the grid", {"type": "limit", "price": "1.0000001"}, (422, "price_off_grid")),
    ("a price beyond the market", {"type": "limit", "price": "9"}, (422, "price_wrong_side")),
    ("a stop-limit without limit", STOP_LIMIT, (400, "limit_price_required")),
    ("a limit of no stop-limit", {"limit_price": "1"}, (400, "limit_price_not_allowed")),
    ("a negative stop", {"stop_loss": "-1"}, (400, "stop_loss_not_positive")),
    ("a stop on the wrong side", {"stop_loss": "9"}, (422, "stop_loss_wrong_side")),
    ("a profit on the wrong side", {"take_profit": "0.1"}, (422, "take_profit_wrong_side")),
    ("trailing within the spread", {"trailing_distance": "0.00001"}, (422, "trailing_too_close")),
    ("a step that trails nothing", {"trailing_step": "0.001"}, (400, "trailing_invalid")),
    (
        "a step beyond the distance",
        {"trailing_distance": "0.01", "trailing_step": "0.02"},
        (400, "trailing_invalid"),
    ),
    ("an expiry of a market order", {"expiry": "day"}, (400, "expiry_invalid")),
    ("lots of nobody by hand", {"manual_lots": {NOBODY: "1"}}, (404, "account_unknown")),
    ("a forged token", {"token": "abc.def"}, (400, "preview_token_invalid")),
]

ON_A_BLOCK: list[tuple[str, str, dict[str, Any], tuple[int, str]]] = [
    ("more than is open", "close", {"lots": "500"}, (422, "close_exceeds_open")),
    ("less than a step", "close", {"lots": "0.001"}, (422, "volume_off_step")),
    ("more than all of it", "close", {"fraction": "1.5"}, (400, "fraction_invalid")),
    ("nearly nothing", "close", {"fraction": "0.00001"}, (422, "close_rounds_to_zero")),
    ("both ways", "close", {"lots": "1", "fraction": "0.5"}, (400, "close_ambiguous")),
    ("by nothing there is", "close-by", {"other_block_id": NOBODY}, (404, "block_not_open")),
    ("by no id", "close-by", {}, (400, "invalid_request")),
    ("into too much", "reverse", {"lots": "2000"}, (422, "volume_above_max")),
    ("into less than nothing", "reverse", {"lots": "-1"}, (400, "lots_not_positive")),
    ("an open block's price", "amend", {"price": "1.5"}, (422, "block_not_pending")),
    ("nothing named", "amend", {}, (400, "nothing_to_amend")),
    ("a stop beyond the price", "amend", {"stop_loss": "9"}, (422, "stop_loss_wrong_side")),
    ("an open block", "cancel", {}, (422, "block_not_pending")),
]


@pytest.fixture(scope="module")
def desk(own_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A book of six accounts on a simulator where gold does not trade now."""
    minute = minute_of_week(time.time_ns() // 1_000_000)
    begins = (minute + 60) % (WEEK_MINUTES - 60)
    process = SimulatorProcess(
        tmp_path_factory.mktemp("sim") / "data", "--session", f"XAUUSD={begins}-{begins + 30}"
    )
    process.start()
    before, settings.SIM_URL = settings.SIM_URL, process.url
    slug = own_broker.slug
    with EngineThread(f"{slug}/one", slug):
        yield Desk(make_stage(slug, 6, seed=11, say=lambda _: None), process.url)
    settings.SIM_URL = before
    process.kill()


@pytest.fixture
def api(desk: Desk, client_at: At) -> Iterator[Caller]:
    """The API as the book's manager, within the broker's schema."""
    with broker_schema(desk.broker):
        manager = Master.objects.get(public_id=desk.stage.book_id).manager
        key, text = create_key(manager, manager, "bad input", ["read", "trade"])
        ApiKey.objects.filter(pk=key.pk).update(rate_per_minute=10_000)
        yield Caller(client_at(desk.broker), text)


def everything(desk: Desk) -> list[Any]:
    """All rows of the book that somebody could see, and what the server holds."""
    book = desk.stage.book_id
    return [
        desk.sql("SELECT * FROM {block} WHERE book_id = %s ORDER BY id", book),
        desk.sql("SELECT * FROM {ticket} ORDER BY id"),
        desk.sql("SELECT * FROM {deal} ORDER BY id"),
        desk.sql("SELECT account_id, balance_minor FROM {account_state} ORDER BY 1"),
        desk.verify().server,
    ]


def post(api: Caller, path: str, body: dict[str, Any]) -> tuple[int, str]:
    return code(api.post(path, body, uuid.uuid4().hex))


def test_a_bad_order_has_a_code_and_changes_nothing(desk: Desk, api: Caller) -> None:
    before = everything(desk)
    path = f"books/{desk.stage.book_id}/blocks"
    said = {name: post(api, path, {**ORDER, **over}) for name, over, _ in PLACING}
    assert said == {name: expected for name, _, expected in PLACING}
    assert everything(desk) == before


def test_a_bad_change_of_a_block_has_a_code_and_changes_nothing(desk: Desk, api: Caller) -> None:
    block_id = desk.place("1.00")
    desk.wait_state(block_id, "open")
    before = everything(desk)
    said = {n: post(api, f"blocks/{block_id}/{what}", over) for n, what, over, _ in ON_A_BLOCK}
    assert said == {name: expected for name, _, _, expected in ON_A_BLOCK}
    itself = post(api, f"blocks/{block_id}/close-by", {"other_block_id": str(block_id)})
    assert itself == (422, "close_by_mismatch")
    assert everything(desk) == before
    desk.flat()


def test_no_margin_and_nobody_to_trade_for(desk: Desk, api: Caller) -> None:
    path = f"books/{desk.stage.book_id}/blocks"
    whole = api.post(path, {**ORDER, "lots": "1000"}, uuid.uuid4().hex).json()
    block_id = uuid.UUID(whole["block_id"])
    desk.wait_state(block_id, "open")
    before = everything(desk)
    assert post(api, path, {**ORDER, "lots": "1000"}) == (422, "insufficient_margin")
    assert everything(desk) == before
    desk.flat()
    desk.verify()


def test_another_brokers_ids_do_not_exist(desk: Desk, api: Caller, acme: Broker) -> None:
    with broker_schema("acme"):
        theirs = master(person("manager")).public_id
    for book_id in (theirs, NOBODY):
        assert post(api, f"books/{book_id}/blocks", ORDER) == (404, "book_unknown")
        assert post(api, f"books/{book_id}/close-all", {}) == (404, "book_unknown")
        assert post(api, f"blocks/{book_id}/reverse", {}) == (404, "block_unknown")


def test_ten_megabytes_are_refused_unread(desk: Desk, api: Caller) -> None:
    raw = b'{"symbol": "' + b"A" * 10_000_000 + b'"}'
    path = f"books/{desk.stage.book_id}/blocks"
    assert code(api.post(path, None, uuid.uuid4().hex, raw=raw)) == (413, "body_too_large")


def test_a_quote_that_has_grown_old_is_not_traded_on(desk: Desk, api: Caller) -> None:
    path = f"books/{desk.stage.book_id}/blocks"
    with desk.price("USDCHF"):  # taken over and not quoted any more

        def age_ms() -> int:
            return time.time_ns() // 1_000_000 - client.latest_quotes(desk.broker)["USDCHF"].at_ms

        wait_for(lambda: age_ms() > 15_000, within_s=25)
        before = everything(desk)
        assert post(api, path, {**ORDER, "symbol": "USDCHF"}) == (422, "stale_quote")
        assert everything(desk) == before


@pytest.fixture(scope="module")
def empty(desk: Desk) -> Stage:
    """A second book, which nobody follows."""
    return make_stage(desk.broker, 0, seed=12, say=lambda _: None)


def test_a_book_without_accounts_has_no_participants(desk: Desk, empty: Stage, api: Caller) -> None:
    wait_for(lambda: client.latest_frame(desk.broker, empty.book_id))
    assert post(api, f"books/{empty.book_id}/blocks", ORDER) == (422, "no_participants")
