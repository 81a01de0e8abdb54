import pytest
from django.core.cache import cache

from core.http import throttles
from core.ids import new_id
from core.services import accounts, tokens
from tests.factories import callers


@pytest.fixture(autouse=True)
def fresh_counters():
    cache.clear()
    throttles.forget()
    yield
    throttles.forget()


@pytest.fixture
def trial(settings):
    settings.ROOT_URLCONF = "tests.core.http.trial"


@pytest.fixture
def ada(db):
    return accounts.create_user(email=f"ada-{new_id()}@example.org", password=None, name="Ada")


@pytest.fixture
def acme(ada):
    return accounts.create_organization(name="Acme", by=ada.pk)


@pytest.fixture
def asks(trial, ada):
    """Ada with a token of her own."""
    issued = tokens.issue(user_id=ada.pk, organization_id=None, name="test")
    return callers.Caller(issued.text)
