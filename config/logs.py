"""Structured logs: one JSON object a line, with the request's id and without secrets."""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

#: Field names whose values never reach a log.
REDACTED = frozenset(
    {"password", "token", "secret", "authorization", "cookie", "set-cookie", "csrftoken",
     "sessionid", "api_key", "stripe_signature", "digest", "answer"}
)  # fmt: skip
_CREDENTIAL = re.compile(
    r"\bpw_[\w-]{8,}|\b(?:sk|rk|whsec)_[\w+/=-]{8,}|\bBearer\s+\S+|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",
    re.IGNORECASE,
)
_BLANK = "[redacted]"


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank what looks like a credential, by field name and by shape, at any depth."""
    for key, value in event.items():
        event[key] = _without_secrets(key, value)
    return event


def _without_secrets(key: Any, value: Any) -> Any:
    if isinstance(key, str) and key.lower() in REDACTED:
        return _BLANK
    if isinstance(value, str):
        return _CREDENTIAL.sub(_BLANK, value)
    if isinstance(value, dict):
        return {name: _without_secrets(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(None, inner) for inner in value]
    return value


def configure(options: Mapping[str, Any]) -> None:
    """Set up logging; `options` are ``level`` and ``pretty`` (coloured lines for a terminal)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    closing: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if options.get("pretty")
        else [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            redact,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*shared, redact],
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        *closing,
                    ],
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "structured"},
            },
            "root": {"handlers": ["stderr"], "level": options.get("level", "INFO")},
            "loggers": {
                "django.server": {"level": "WARNING"},
                "django.request": {"level": "ERROR"},
                "celery.app.trace": {"level": "WARNING"},
                "celery.worker.request": {"level": "WARNING"},
                "celery.worker.strategy": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "stripe": {"level": "WARNING"},
            },
        }
    )
