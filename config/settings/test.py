"""The test suite: the fast embedded cluster, no network, nothing kept."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import gettempdir

from config import embedded
from config.embedded import places
from config.settings.base import *
from config.settings.base import INSTALLED_APPS, database, env

# A lower plane must stand without the higher ones; this runs its tests alone.
_planes = env.list("PIECEWORK_PLANES", default=[])
if _planes:
    _others = {"core", "payments", "marketplace", "workers"} - set(_planes)
    INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in _others]

# The migration linter is a development tool and an app.
INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]

DEBUG = False
SECRET_KEY = "test-only-not-a-secret-" + "x" * 40
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
PUBLIC_URL = "http://testserver"

_embedded = embedded.addresses(places.TEST)
DATABASE_URL = env.str("DATABASE_URL", default="") or _embedded.database_url
REDIS_URL = env.str("REDIS_URL", default="") or _embedded.redis_url
DATABASES = {"default": database(DATABASE_URL)}
# Several suites may run on one cluster: each names its own database.
_suffix = env.str("PIECEWORK_TEST_DB_SUFFIX", default="")
DATABASES["default"]["TEST"] = {"NAME": "test_piecework" + (f"_{_suffix}" if _suffix else "")}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# No static file is collected for a test; pages find theirs in the sources.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = Path(gettempdir()) / f"piecework-test-media-{os.getuid()}-{_suffix}"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

PIECEWORK_ADJUSTABLE_CLOCK = True
NUDGES = False
OFFER_PLAY_MONEY = True
WEBHOOKS_ALLOW_PRIVATE = True
STRIPE_API_BASE = None
STRIPE_SECRET_KEY = "sk_test_suite"
STRIPE_WEBHOOK_SECRET = "whsec_suite"
METRICS_TOKEN = None
LOGGING = {"level": "WARNING", "pretty": False}
