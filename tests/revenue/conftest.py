"""The fake Stripe for a test, with the keys that the product reads from its environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.revenue.fake_stripe import KEY, SECRET, FakeStripe, fake_stripe


@pytest.fixture
def stripe_server() -> Iterator[FakeStripe]:
    with (
        fake_stripe() as fake,
        override_settings(
            STRIPE_SECRET_KEY=KEY, STRIPE_WEBHOOK_SECRET=SECRET, STRIPE_API_BASE=fake.base
        ),
    ):
        yield fake
