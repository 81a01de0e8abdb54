import socket
import time

import pytest
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from django.test import RequestFactory

from core import errors
from core.http import throttles
from core.http.throttles import Rate
from tests.core.http import trial as endpoints
from tests.factories import callers

STRICT = Rate("strict", limit=3, seconds=3600)
GATHERED = Rate("gathered", limit=100, seconds=3600, batch=10)


def allowed(rate, subject, most=1000):
    """How many requests pass before one does not."""
    for number in range(most):
        try:
            throttles.count(rate, subject)
        except errors.TooMany:
            return number
    return most


@pytest.fixture
def redis(settings, monkeypatch):
    """Count in a cache at this address, with the timeouts of the real one."""
    from config.settings import base

    def at(url):
        params = {"OPTIONS": base.CACHES["default"]["OPTIONS"], "KEY_PREFIX": f"t{time.time_ns()}"}
        monkeypatch.setattr(throttles, "cache", RedisCache(url, params))

    return at


def test_each_subject_has_its_own_count():
    assert allowed(STRICT, "a") == 3
    assert allowed(STRICT, "a") == 0
    assert allowed(STRICT, "b") == 3
    assert allowed(Rate("other", limit=3, seconds=3600), "a") == 3


def test_a_gathered_count_is_exact_in_one_process():
    assert allowed(GATHERED, "a") == 100
    assert allowed(GATHERED, "b") == 100


def test_processes_learn_of_each_other_by_batches():
    for _ in range(5):
        throttles.forget()  # a process of its own
        assert allowed(GATHERED, "a", most=19) == 19
    throttles.forget()
    # Of each 19 the first 10 are known; the 9 that were gathered and not sent yet are not.
    assert allowed(GATHERED, "a") == 50


def test_the_next_window_starts_anew(monkeypatch):
    assert allowed(STRICT, "a") == 3
    now = time.time()
    monkeypatch.setattr(throttles.time, "time", lambda: now + 3600)
    assert allowed(STRICT, "a") == 3


def test_who_asks_too_often_is_told_how_long_to_wait():
    allowed(STRICT, "a")
    with pytest.raises(errors.TooMany) as refused:
        throttles.count(STRICT, "a")
    assert 1 <= refused.value.retry_after <= 3601


def test_settings_change_a_limit_or_turn_it_off(settings):
    settings.THROTTLE_RATES = {"strict": 5, "gathered": 0}
    assert allowed(STRICT, "a") == 5
    assert allowed(GATHERED, "a") == 1000


def test_a_forged_address_counts_only_where_a_proxy_stands(settings):
    request = RequestFactory().get(
        "/", REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": "1.1.1.1, 2.2.2.2"}
    )
    assert throttles.address_of(request) == "10.0.0.1"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert throttles.address_of(request) == "2.2.2.2"


# --- Redis -----------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_real_counter_counts(redis, valkey_url):
    redis(valkey_url)
    assert allowed(STRICT, "a") == 3
    throttles.forget()
    assert allowed(STRICT, "a") == 0
    assert allowed(GATHERED, "a") == 100
    throttles.forget()
    assert allowed(GATHERED, "a") == 9  # the first batch tells what the others counted


def waits(redis, url):
    """How long the slowest of many counts took."""
    redis(url)
    longest = 0.0
    for _ in range(50):
        started = time.perf_counter()
        throttles.count(STRICT, "a")
        longest = max(longest, time.perf_counter() - started)
    return longest


def test_without_redis_everybody_is_let_in_at_once(redis):
    assert waits(redis, "redis://127.0.0.1:1/0") < 0.15


def test_a_redis_that_says_nothing_is_waited_for_50_ms_once(redis):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        url = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        assert 0.04 < waits(redis, url) < 0.4
        started = time.perf_counter()
        for _ in range(1000):
            throttles.count(STRICT, "a")
        assert time.perf_counter() - started < 0.5


def test_redis_is_tried_again_after_a_while(redis, monkeypatch):
    redis("redis://127.0.0.1:1/0")
    throttles.count(STRICT, "a")
    monkeypatch.setattr(throttles, "cache", caches["default"])
    assert allowed(STRICT, "a") == 1000
    now = time.monotonic()
    monkeypatch.setattr(throttles.time, "monotonic", lambda: now + throttles.BROKEN_SECONDS + 1)
    assert allowed(STRICT, "a") == 3


# --- over HTTP -------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_token_is_counted_but_not_on_the_hot_path(trial, settings):
    settings.THROTTLE_RATES = {"token": 5}
    asks, other = callers.person(), callers.person()
    assert [asks.get("/empty").status_code for _ in range(6)] == [200] * 5 + [429]
    assert asks.get("/empty")["Retry-After"]
    assert other.get("/empty").status_code == 200
    assert asks.post("/naturals", {"name": "x"}).status_code == 200


@pytest.mark.django_db
def test_an_address_is_counted_where_no_token_is_asked_for(trial, settings):
    settings.THROTTLE_RATES = {"public": 5}
    asks = callers.Caller()
    assert [asks.get("/open").status_code for _ in range(6)] == [200] * 5 + [429]
    assert endpoints.Open
