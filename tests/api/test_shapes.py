"""What the API accepts and says: bad input is coded and changes nothing; OpenAPI tells it all."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.api import openapi
from apps.api.models import ApiRequest
from tenants.models import Broker
from tests.api.calling import ORDER, At, code

BAD = [
    ({**ORDER, "lots": 1.0}, "lots_not_string"),
    ({**ORDER, "lots": "NaN"}, "lots_invalid"),
    ({**ORDER, "lots": "1e3"}, "lots_invalid"),
    ({**ORDER, "lots": "-1"}, "lots_not_positive"),
    ({**ORDER, "lots": "0.00"}, "lots_not_positive"),
    ({**ORDER, "lots": "٣"}, "lots_invalid"),
    ({**ORDER, "side": "hold"}, "invalid_choice"),
    ({**ORDER, "symbol": "EUR USD;"}, "invalid_request"),
    ({**ORDER, "prise": "1.1"}, "field_unknown"),
    ({**ORDER, "price": "1.1"}, "price_not_allowed"),
    ({**ORDER, "type": "limit"}, "price_required"),
    ({"symbol": "EURUSD"}, "invalid_request"),
    ([1, 2], "invalid_request"),
]


@pytest.mark.parametrize(("body", "expected"), BAD)
def test_bad_input_is_coded_and_changes_nothing(world: Any, body: Any, expected: str) -> None:
    assert code(world.api.post(world.blocks, body, "order-1")) == (400, expected)
    assert world.engine.commands == []
    assert not ApiRequest.objects.exists()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"lots": NaN}', (400, "malformed_json")),
        (b'{"side": "buy", "side": "sell"}', (400, "malformed_json")),
        (b"\xff\xfe", (400, "malformed_json")),
        (b"[" * 100_000, (400, "malformed_json")),
        (b'"' + b"x" * 1_100_000 + b'"', (413, "body_too_large")),
    ],
)
def test_bodies_that_are_not_our_json_are_refused(
    world: Any, raw: bytes, expected: tuple[int, str]
) -> None:
    assert code(world.api.post(world.blocks, None, "order-1", raw=raw)) == expected
    assert world.engine.commands == []


def test_commands_need_a_sane_idempotency_key(world: Any) -> None:
    assert code(world.api.post(world.blocks, ORDER)) == (400, "idempotency_key_missing")
    long = world.api.post(world.blocks, ORDER, "x" * 129)
    assert code(long) == (400, "idempotency_key_invalid")


def test_errors_keep_their_shape_off_the_road(world: Any) -> None:
    assert code(world.api.get("nothing/here")) == (404, "not_found")
    assert code(world.api.get("blocks/not-a-uuid")) == (404, "not_found")
    assert code(world.api.post("books", {}))[0] == 405
    assert "Set-Cookie" not in world.api.get("books")


def test_openapi_describes_every_operation_and_the_page_renders(
    acme: Broker, client_at: At
) -> None:
    described = client_at("acme").get("/api/v1/schema").json()
    assert described["openapi"].startswith("3.")
    assert sorted(described["paths"]) == sorted(
        f"/api/v1/{path}"
        for path in (
            "books",
            "books/{book_id}/blocks",
            "books/{book_id}/blocks/preview",
            "books/{book_id}/cancel-all",
            "books/{book_id}/close-all",
            "books/{book_id}/hard-stop",
            "books/{book_id}/hard-stop/preview",
            "books/{book_id}/lift",
            "books/{book_id}/links/{account_id}/lift",
            "books/{book_id}/links/{account_id}/pause",
            "books/{book_id}/links/{account_id}/protection",
            "books/{book_id}/links/{account_id}/risk",
            "books/{book_id}/protection",
            "books/{book_id}/risk",
            "books/{book_id}/stops",
            "books/{book_id}/links",
            "books/{book_id}/links/bulk",
            "books/{book_id}/links/quote",
            "books/{book_id}/links/{account_id}/detach",
            "books/{book_id}/links/{account_id}/leave",
            "books/{book_id}/links/{account_id}/money",
            "books/{book_id}/execution",
            "blocks/{block_id}/legs/retry",
            "books/{book_id}/links/{account_id}/status",
            "books/{book_id}/links/{account_id}/terms",
            "books/{book_id}/house-rounding",
            "books/{book_id}/rule",
            "blocks/{block_id}",
            "blocks/{block_id}/amend",
            "blocks/{block_id}/close",
            "blocks/{block_id}/close-by",
            "blocks/{block_id}/reverse",
            "blocks/{block_id}/cancel",
            "blocks/{block_id}/allocations",
            "blocks/{block_id}/tickets",
            "fees",
            "fees/accruals",
        )
    )
    listed = described["paths"]["/api/v1/blocks/{block_id}/tickets"]["get"]
    assert {p["name"] for p in listed["parameters"]} == {"block_id", "cursor", "limit"}
    place = described["paths"]["/api/v1/books/{book_id}/blocks"]["post"]
    assert {p["name"] for p in place["parameters"]} == {"book_id", "Idempotency-Key"}
    assert {"201", "409", "422", "504"} <= set(place["responses"])
    assert _references(described) <= {
        f"#/components/schemas/{name}" for name in described["components"]["schemas"]
    }
    page = client_at("acme").get("/api/v1/docs").content.decode()
    assert page.count("/api/v1/b") >= len(openapi.schema()["paths"])
    assert "<script>" not in page


def test_openapi_tells_of_every_operation_something_of_its_own() -> None:
    told = [
        operation["description"]
        for operations in openapi.schema()["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(told)) == len(told)


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if "$ref" in node else set()
        return found.union(*(_references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*map(_references, node)) if node else set()
    return set()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["symbol", "side", "lots", "price", "type", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=JSON)
def test_no_body_at_all_makes_a_500(world: Any, body: Any) -> None:
    for path in (world.blocks, f"{world.blocks}/preview"):
        response = world.api.post(path, body, uuid.uuid4().hex)
        assert response.status_code < 500, response.content


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("rule", {"rule": {"method": "luck"}}, (400, "bad_rule_option")),
        ("rule", {"rule": {"method": "equal"}, "defaults": {"x": 1}}, (400, "terms_invalid")),
        ("links/ACCOUNT/terms", {"terms": {"lots": "-1"}}, (400, "terms_invalid")),
        ("links/ACCOUNT/status", {"status": "gone"}, (400, "invalid_choice")),
        ("links/00000000-0000-4000-8000-000000000000/status", {"status": "paused"},
         (404, "account_unknown")),
    ],
)  # fmt: skip
def test_bad_directions_are_refused_by_code_and_reach_no_book(
    world: Any, path: str, body: Any, expected: tuple[int, str]
) -> None:
    path = path.replace("ACCOUNT", str(world.links[0].account.public_id))
    response = world.api.post(f"books/{world.book.public_id}/{path}", body, "bad")
    assert code(response) == expected
    assert world.engine.commands == []
