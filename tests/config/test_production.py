"""The production settings: what they refuse to start with, and that nothing is left to warn of."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

CHECKOUT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECRET_KEY": "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzA1bC3dE5fG7hJ9kL8",
    "DATABASE_URL": "postgresql://piecework:p@127.0.0.1:1/piecework",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "pay.site.org",
    "PUBLIC_URL": "https://pay.site.org",
    "STRIPE_SECRET_KEY": "sk_live_4eC39H",
    "STRIPE_WEBHOOK_SECRET": "whsec_k39dLqPz81",
    "EMAIL_URL": "consolemail://",
    "DEFAULT_FROM_EMAIL": "noreply@pay.site.org",
}


@pytest.mark.slow
def test_the_deployment_checks_have_nothing_to_say():
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
        env={
            **GOOD,
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.django_db
def test_what_the_silenced_checks_ask_for_is_there(client):
    """W002 and W003: no page may be framed, and no form comes from another site."""
    assert client.get("/admin/login/")["X-Frame-Options"] == "DENY"
    client.handler.enforce_csrf_checks = True
    client.get("/admin/login/")
    assert client.post("/admin/login/", {"username": "a", "password": "b"}).status_code == 403


@pytest.fixture
def start(monkeypatch):
    """Read the production settings under an environment; raises what stops a start."""
    for name in (*GOOD, "STRIPE_API_BASE", "STRIPE_STAND_IN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    production = importlib.import_module("config.settings.production")

    def read(**changes):
        for name, value in changes.items():
            if value is None:
                monkeypatch.delenv(name)
            else:
                monkeypatch.setenv(name, value)
        production._refuse_bad_secrets()

    return read


def tried():
    """What the repository publishes for a try-out."""
    lines = (CHECKOUT / "deploy" / "try.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_good_secrets_start(start):
    start()


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_what_is_missing_is_named(start, name, value):
    with pytest.raises(ImproperlyConfigured, match=rf"Set these in the environment: {name}\."):
        start(**{name: value})


@pytest.mark.parametrize("value", ["short", "a" * 60, "abcabc" * 10])
def test_a_weak_key_is_refused(start, value):
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is too weak"):
        start(SECRET_KEY=value)


@pytest.mark.parametrize("name", ["SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
@pytest.mark.parametrize("word", ["local", "Example", "changeme", "not-a-secret", "test-only"])
def test_an_example_is_refused(start, name, word):
    with pytest.raises(ImproperlyConfigured, match=f"{name} is an example"):
        start(**{name: f"{GOOD[name]}-{word}"})


@pytest.mark.parametrize("name", ["SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_what_the_try_out_publishes_is_good_for_a_stand_in_only(start, name):
    published = tried()[name]
    with pytest.raises(ImproperlyConfigured, match=f"{name} is an example"):
        start(**{name: published})
    start(STRIPE_STAND_IN="1")


def test_another_stripe_must_be_meant(start):
    with pytest.raises(ImproperlyConfigured, match="STRIPE_STAND_IN"):
        start(STRIPE_API_BASE="http://stripe.site.org")
    start(STRIPE_STAND_IN="1")


def test_the_database_is_postgresql(start):
    with pytest.raises(ImproperlyConfigured, match="PostgreSQL"):
        start(DATABASE_URL="sqlite:///x")
