"""Production: everything that protects is on, and a missing or default secret stops the start."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.base import env

REQUIRED = (
    "SECRET_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "ALLOWED_HOSTS",
    "PUBLIC_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "EMAIL_URL",
    "DEFAULT_FROM_EMAIL",
)
#: Words that a secret from an example or a local machine carries.
_EXAMPLES = ("local", "example", "changeme", "change-me", "insecure", "not-a-secret", "test-only")
#: Words of the secrets that deploy/try.env publishes: for a stand-in, where no money is.
_TRY_OUT = ("try-out", "try_out")


def _refuse_bad_secrets() -> None:
    missing = [name for name in REQUIRED if not env.str(name, default="").strip()]
    if missing:
        raise ImproperlyConfigured(f"Set these in the environment: {', '.join(missing)}.")
    has_stand_in = env.bool("STRIPE_STAND_IN", default=False)
    refused = _EXAMPLES if has_stand_in else (*_EXAMPLES, *_TRY_OUT)
    for name in ("SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"):
        value = env.str(name).lower()
        if any(word in value for word in refused):
            raise ImproperlyConfigured(f"{name} is an example value: set a secret of your own.")
    secret = env.str("SECRET_KEY")
    if len(secret) < 50 or len(set(secret)) < 10:
        raise ImproperlyConfigured("SECRET_KEY is too weak: use 50 or more random characters.")
    if env.str("STRIPE_API_BASE", default="") and not has_stand_in:
        raise ImproperlyConfigured(
            "STRIPE_API_BASE points away from Stripe; say STRIPE_STAND_IN=1 if that is meant."
        )
    if not env.str("DATABASE_URL").startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL server.")


_refuse_bad_secrets()

DEBUG = False
#: False only where TLS ends nowhere, such as a try-out of the containers on one machine.
HTTPS = env.bool("HTTPS", default=True)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
# Django looks for its own classes by name. config.middleware sets X-Frame-Options on every answer
# (W002), and its Csrf is Django's middleware, passed by only where no cookie signs in (W003).
SILENCED_SYSTEM_CHECKS = ["security.W002", "security.W003"]
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[env.str("PUBLIC_URL")])
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
