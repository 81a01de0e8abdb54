"""What the environment says, read before any settings module is chosen."""

from __future__ import annotations

import os
from pathlib import Path

import environ

CHECKOUT = Path(__file__).resolve().parents[1]
_SETTINGS = "DJANGO_SETTINGS_MODULE"


def load(default_settings: str) -> None:
    """Add what the checkout's .env file says and the environment does not; pick the settings.

    Tests never read the file: they must mean the same on every machine.
    """
    file = CHECKOUT / ".env"
    if not settings_are("test") and file.exists():
        environ.Env.read_env(file)
    os.environ.setdefault(_SETTINGS, f"config.settings.{default_settings}")


def settings_are(name: str) -> bool:
    """Whether the settings module in force is the one called `name`."""
    return os.environ.get(_SETTINGS, "") == f"config.settings.{name}"
