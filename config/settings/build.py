"""Building an image: no server, no secret; only what collecting static files needs."""

from __future__ import annotations

from config.settings.base import *

SECRET_KEY = "build-only-not-a-secret"
