"""What every test stands on: the fast embedded cluster, shared by all suites that run."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.conf import settings

from config import embedded
from config.embedded import places
from tests import emptying

if TYPE_CHECKING:
    from payments.fakestripe import FakeStripe

emptying.install()

#: Where tests start threads, play long stories or break the books one by one.
LONG = (
    "tests/races/", "tests/stories/", "tests/flows/test_payout", "tests/flows/test_topup",
    "tests/payments/admin/", "tests/marketplace/quality/test_replay",
    "tests/payments/test_invariants", "tests/marketplace/test_invariants",
    "tests/workers/test_invariants",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # before the choice by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Races, stories of money and property tests are slow as a kind, not each by itself."""
    for item in items:
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_property or item.nodeid.startswith(LONG):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
) -> Iterator[None]:
    """Bring the test cluster up and take this process's database for ourselves.

    The cluster stays up for the next run. The lock makes two suites that name the same
    database run one after the other instead of dropping it under each other.
    """
    embedded.ensure(places.TEST, with_valkey=False)
    name = settings.DATABASES["default"]["TEST"]["NAME"]
    root = places.data_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / f"{name}.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _cut_leftovers(name)
        yield


def _cut_leftovers(name: str) -> None:
    """Close what a killed run left open on its database, so that it can be dropped."""
    with psycopg.connect(settings.DATABASE_URL.replace("/piecework", "/postgres", 1)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )


@pytest.fixture(scope="session")
def valkey_url() -> str:
    """The address of a real Valkey for the tests that need one; started on first use."""
    embedded.ensure(places.TEST)
    return settings.REDIS_URL


@pytest.fixture
def fake_stripe(settings: Any) -> Iterator[FakeStripe]:
    """A stand-in for Stripe of this test's own; the gateway speaks to it over real HTTP."""
    from payments.fakestripe import FakeStripe

    with FakeStripe(webhook_secret=settings.STRIPE_WEBHOOK_SECRET) as fake:
        settings.STRIPE_API_BASE = fake.url
        yield fake
