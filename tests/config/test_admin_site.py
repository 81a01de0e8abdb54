"""Logging in to the admin."""

import pytest
from django.contrib.auth import authenticate
from django.core.cache import cache

from core.http import throttles
from core.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough phrase"


@pytest.fixture(autouse=True)
def fresh_counters():
    cache.clear()
    throttles.forget()
    yield
    throttles.forget()


@pytest.fixture
def clerk():
    return User.objects.create_user("clerk@example.org", PASSWORD, is_staff=True)


def log_in(client, password, email="clerk@example.org", **meta):
    return client.post(
        "/admin/login/?next=/admin/", {"username": email, "password": password}, **meta
    )


def test_a_clerk_logs_in(client, clerk):
    assert log_in(client, "something else").status_code == 200
    assert log_in(client, PASSWORD)["Location"] == "/admin/"
    assert b"Piecework administration" in client.get("/admin/").content


def test_passwords_are_not_guessed_at_will(client, clerk, settings, monkeypatch):
    settings.THROTTLE_RATES = {"log_in_both": 3}
    looked = []
    monkeypatch.setattr(
        "django.contrib.auth.forms.authenticate",
        lambda *args, **given: looked.append(given) or authenticate(*args, **given),
    )
    statuses = [log_in(client, "wrong").status_code for _ in range(3)]
    refused = log_in(client, PASSWORD, email=" Clerk@example.org")
    assert (statuses, refused.status_code, len(looked)) == ([200] * 3, 429, 3)
    assert "You ask too often" in refused.content.decode()
    assert int(refused["Retry-After"]) > 0
    assert "_auth_user_id" not in client.session
    # The form itself is still shown, and another address is another matter.
    assert client.get("/admin/login/").status_code == 200
    assert log_in(client, PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 302


@pytest.mark.parametrize("rate", ["log_in_address", "log_in_account"])
def test_each_limit_of_the_api_holds_here_too(client, clerk, settings, rate):
    settings.THROTTLE_RATES = {rate: 1}
    asks = [log_in(client, "wrong"), log_in(client, "wrong")]
    assert [answer.status_code for answer in asks] == [200, 429]
