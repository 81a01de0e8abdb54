"""Settings that every environment shares. An environment file adds or tightens, never copies.

Values come from the environment (see .env.example); nothing here opens a connection or starts
a server.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import environ

from config import embedded, environment
from config.embedded import places

BASE_DIR = environment.CHECKOUT
env = environ.Env()

DEBUG = False
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
#: Where people reach the site; used in links that leave it.
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")

INSTALLED_APPS = [
    "config",
    "workers",
    "marketplace",
    "payments",
    "core",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

# The API carries its own credentials: the browser's middlewares let its requests pass untouched.
MIDDLEWARE = [
    "config.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.middleware.Sessions",
    "config.middleware.Common",
    "config.middleware.Csrf",
    "config.middleware.Authentication",
    "config.middleware.Messages",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "core.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- servers ---------------------------------------------------------------------------------
#: What this process is: wsgi.py says "web", celery.py "worker" under Celery's own command; other
#: commands say nothing.
PROCESS = env.str("PIECEWORK_PROCESS", default="command")
_TIMEOUTS = {"web": "20s", "worker": "60s", "command": "0"}


def database(url: str) -> dict[str, Any]:
    """Django's settings of a PostgreSQL server, with what each kind of process needs."""
    settings: dict[str, Any] = env.db_url_config(url)
    limits = {
        "statement_timeout": env.str("STATEMENT_TIMEOUT", default=_TIMEOUTS[PROCESS]),
        "lock_timeout": env.str("LOCK_TIMEOUT", default="5s" if PROCESS == "web" else "15s"),
        "idle_in_transaction_session_timeout": "60s" if PROCESS != "command" else "0",
    }
    options: dict[str, Any] = {
        "server_side_binding": True,
        "prepare_threshold": 1,
        "connect_timeout": 5,
        "application_name": f"piecework-{PROCESS}",
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
    }
    settings["CONN_HEALTH_CHECKS"] = True
    if PROCESS == "web":
        size = env.int("DATABASE_POOL_SIZE", default=10)
        options["pool"] = {"min_size": 2, "max_size": size, "timeout": 5}
    else:
        settings["CONN_MAX_AGE"] = 60
    return {**settings, "OPTIONS": {**options, **settings.get("OPTIONS", {})}}


DATABASE_URL = env.str("DATABASE_URL", default="") or embedded.addresses().database_url
REDIS_URL = env.str("REDIS_URL", default="") or embedded.addresses().redis_url
DATABASES = {"default": database(DATABASE_URL)}

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "piecework",
        # A counter that cannot be reached in 50 ms is done without.
        "OPTIONS": {"socket_timeout": 0.05, "socket_connect_timeout": 0.05},
    }
}

# --- people ----------------------------------------------------------------------------------
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- language, time, files -------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
STATIC_ROOT: Path | None = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
MEDIA_URL = "/media/"
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(places.data_root() / "media")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
FILE_UPLOAD_PERMISSIONS = 0o640
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000

# --- HTTP API --------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["core.http.auth.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["core.http.parser.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "core.http.schema.AutoSchema",
    "EXCEPTION_HANDLER": "core.http.errors.exception_handler",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rest_framework.negotiation.DefaultContentNegotiation",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Piecework API",
    "DESCRIPTION": "Paid data labeling: jobs, tasks, claims, results, earnings and payouts.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    # Choices stand where they are used: equal names of different choices are no collision.
    "POSTPROCESSING_HOOKS": [],
}

# --- money -----------------------------------------------------------------------------------
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
#: None is the real Stripe; a URL is a stand-in that speaks like it.
STRIPE_API_BASE: str | None = env.str("STRIPE_API_BASE", default="") or None
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
PAYOUT_MINIMUM_MICROS = env.int("PAYOUT_MINIMUM_MICROS", default=25_000_000)
#: Payouts up to this amount need no person's approval when no risk rule speaks; 0 is off.
PAYOUT_AUTO_LIMIT_MICROS = env.int("PAYOUT_AUTO_LIMIT_MICROS", default=0)
PAYOUT_SECOND_APPROVAL_MICROS = env.int("PAYOUT_SECOND_APPROVAL_MICROS", default=200_000_000)
HOLD_DAYS_PROVEN = env.int("HOLD_DAYS_PROVEN", default=3)
HOLD_DAYS_NEW = env.int("HOLD_DAYS_NEW", default=7)

# --- offers and reviews ------------------------------------------------------------------------
#: How long a worker may think about an offered task before it passes on.
OFFER_SECONDS = env.int("OFFER_SECONDS", default=30)
#: Offers that a worker may leave unanswered in a row before they are set unavailable.
OFFER_LAPSES = env.int("OFFER_LAPSES", default=3)
#: Share of the offers that is kept for workers with few accepted answers, and how few.
OFFER_NEWCOMER_SHARE = env.float("OFFER_NEWCOMER_SHARE", default=0.10)
OFFER_NEWCOMER_BELOW = env.int("OFFER_NEWCOMER_BELOW", default=20)
#: Whether jobs of play money are offered too; whoever wants them can claim them in any case.
OFFER_PLAY_MONEY = env.bool("OFFER_PLAY_MONEY", default=False)
#: Days to contest a rejection, and days to answer a contest. Silence is for the worker.
CONTEST_DAYS = env.int("CONTEST_DAYS", default=7)
CONTEST_ANSWER_DAYS = env.int("CONTEST_ANSWER_DAYS", default=7)

# --- behaviour -------------------------------------------------------------------------------
#: Lets tests and demos move the clock that deadlines are decided by. Never in production.
PIECEWORK_ADJUSTABLE_CLOCK = False
#: Whether a change that makes a sweep due wakes it at once through the broker; without it, the
#: sweep's next round does the work.
NUDGES = env.bool("NUDGES", default=True)
#: Set for the web processes of a measurement: mounts what claims are compared with.
PIECEWORK_BENCH = env.bool("PIECEWORK_BENCH", default=False)
#: Lets webhooks go to private and loopback addresses.
WEBHOOKS_ALLOW_PRIVATE = False

#: Where mail is kept for the page that shows it; None sends it for real.
OUTBOX_FOLDER: Path | None = None
#: Bearer token that /metrics asks for; None asks for nothing, "" shows it to nobody.
METRICS_TOKEN: str | None = env.str("METRICS_TOKEN", default="")

# --- mail, logs ------------------------------------------------------------------------------
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Piecework <noreply@localhost>")
LOGGING_CONFIG = "config.logs.configure"
#: One log line a request; failures are logged in any case.
LOG_REQUESTS = env.bool("LOG_REQUESTS", default=False)
LOGGING = {"level": env.str("LOG_LEVEL", default="INFO"), "pretty": sys.stderr.isatty()}
