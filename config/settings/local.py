"""A developer's machine and the demo: works with an empty environment."""

from __future__ import annotations

from config.embedded import places
from config.settings.base import *
from config.settings.base import env

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="local-only-not-a-secret")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Static files come straight from their sources: nothing to collect before the first page.
WHITENOISE_USE_FINDERS = True
STATIC_ROOT = None

# Mail goes to a folder that the page /outbox shows, unless EMAIL_URL names a server.
if not env.str("EMAIL_URL", default=""):
    OUTBOX_FOLDER = places.data_root() / "outbox"
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(OUTBOX_FOLDER)

# Without a token the metrics are for everybody on this machine.
METRICS_TOKEN = None

PIECEWORK_ADJUSTABLE_CLOCK = env.bool("PIECEWORK_ADJUSTABLE_CLOCK", default=True)
OFFER_PLAY_MONEY = env.bool("OFFER_PLAY_MONEY", default=True)
WEBHOOKS_ALLOW_PRIVATE = env.bool("WEBHOOKS_ALLOW_PRIVATE", default=True)

#: `manage.py up` starts the stand-in for Stripe here when no other address is set.
FAKE_STRIPE_PORT = env.int("FAKE_STRIPE_PORT", default=12111)
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default=f"http://127.0.0.1:{FAKE_STRIPE_PORT}")
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="sk_test_local")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="whsec_local")
