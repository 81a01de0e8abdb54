"""The production settings: what they refuse to start with, and that nothing is left to warn of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
GOOD = {
    "SECRET_KEY": "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzA1bC3dE5fG7hJ9kL8",
    "DATABASE_URL": "postgresql://piecework:p@127.0.0.1:1/piecework",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "ALLOWED_HOSTS": "pay.site.org",
    "PUBLIC_URL": "https://pay.site.org",
    "STRIPE_SECRET_KEY": "sk_live_4eC39HqLyjWDarjtT1",
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
