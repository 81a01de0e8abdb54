import pytest
from django.core.cache import cache

from core.http import throttles


@pytest.fixture(autouse=True)
def fresh_counters():
    cache.clear()
    throttles.forget()
    yield
    throttles.forget()
