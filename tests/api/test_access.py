"""Keys of the API: what their scopes, owners, brokers and rates allow."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.utils import timezone

from apps.accounts.api_keys import create_key, revoke_key
from apps.accounts.models import ApiKey, AuditEntry, User
from tenants.door import broker_schema
from tenants.models import Broker
from tests.api.calling import ORDER, Caller, a_block, code
from tests.factories import person


def test_a_key_does_what_its_scopes_say(world: Any) -> None:
    _, text = create_key(world.manager, world.manager, "reader", ["read"])
    reader = Caller(world.at("acme"), text)
    assert reader.get("books").status_code == 200
    assert code(reader.post(world.blocks, ORDER, "order-1")) == (403, "scope_missing")


def test_keys_that_are_wrong_expired_revoked_or_of_the_inactive_are_refused(world: Any) -> None:
    key, text = create_key(world.manager, world.manager, "k", ["read"])
    caller = Caller(world.at("acme"), text)
    assert caller.get("books").status_code == 200
    assert code(Caller(world.at("acme"), "").get("books")) == (401, "not_authenticated")
    for wrong in ("prk_x", text[:-1] + ("A" if text[-1] != "A" else "B"), text + "x"):
        assert code(Caller(world.at("acme"), wrong).get("books")) == (401, "key_invalid")
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert code(caller.get("books")) == (401, "key_invalid")
    ApiKey.objects.filter(pk=key.pk).update(expires_at=None)
    revoke_key(world.manager, key)
    assert code(caller.get("books")) == (401, "key_invalid")
    User.objects.filter(pk=world.manager.pk).update(is_active=False)
    assert code(world.api.get("books")) == (401, "key_invalid")


def test_the_secret_is_stored_nowhere(world: Any) -> None:
    _, text = create_key(world.manager, world.manager, "k", ["read"])
    secret = text.rsplit("_", 1)[-1]
    stored = json.dumps(
        [*ApiKey.objects.values(), *AuditEntry.objects.values("before", "after")], default=str
    )
    assert secret not in stored


def test_anothers_books_and_blocks_do_not_exist(world: Any) -> None:
    stranger = person("manager")
    _, text = create_key(stranger, stranger, "k", ["read", "trade"])
    other = Caller(world.at("acme"), text)
    block = a_block(world.book, world.links)
    assert other.get("books").json() == []
    assert code(other.get(world.blocks)) == (404, "book_unknown")
    assert code(other.post(world.blocks, ORDER, "o")) == (404, "book_unknown")
    assert code(other.post(f"{world.blocks}/preview", ORDER)) == (404, "book_unknown")
    for path in ("", "/allocations", "/tickets"):
        assert code(other.get(f"blocks/{block.id}{path}")) == (404, "block_unknown")
    for path in ("/close", "/cancel"):
        response = other.post(f"blocks/{block.id}{path}", {}, "o" + path[1:])
        assert code(response) == (404, "block_unknown")
    assert world.engine.commands == []


def test_an_admin_oversees_but_does_not_trade_for_others(world: Any) -> None:
    admin = person("admin")
    _, text = create_key(admin, admin, "k", ["read", "trade"])
    caller = Caller(world.at("acme"), text)
    assert caller.get(world.blocks).status_code == 200
    assert code(caller.post(world.blocks, ORDER, "o")) == (404, "book_unknown")


def test_a_key_of_one_broker_is_nothing_at_another(world: Any, globex: Broker) -> None:
    _, text = create_key(world.manager, world.manager, "k", ["read"])
    with broker_schema("globex"):
        assert code(Caller(world.at("globex"), text).get("books")) == (401, "key_invalid")


def test_a_key_has_a_rate(world: Any) -> None:
    key, text = create_key(world.manager, world.manager, "slow", ["read"])
    ApiKey.objects.filter(pk=key.pk).update(rate_per_minute=2)
    caller = Caller(world.at("acme"), text)
    cache.clear()
    answers = [caller.get("books") for _ in range(5)]  # a minute may end between two of them
    assert [a.status_code for a in answers[:2]] == [200, 200]
    limited = [a for a in answers if a.status_code == 429]
    assert limited
    assert code(limited[0]) == (429, "rate_limited")
    assert 1 <= int(limited[0]["Retry-After"]) <= 61
    assert world.api.get("books").status_code == 200  # another key is not slowed
