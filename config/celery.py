"""The Celery application: it wakes sweeps, and nothing depends on it.

Every task is an idempotent, bounded sweep over rows in PostgreSQL (see ``core.sweeps``), so a
message may be lost, repeated or late. There is no result backend and no delayed message: due
times live in rows.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging
from kombu import Queue  # type: ignore[attr-defined]

from config import environment

environment.load("production")

from django.apps import apps
from django.conf import settings

if not settings.configured and "celery" in Path(sys.argv[0]).parts[-2:]:
    # `celery …` or `python -m celery …`: settings are read below, with a worker's limits of time.
    os.environ.setdefault("PIECEWORK_PROCESS", "worker")

PLANES = ("core", "payments", "marketplace", "workers")
DEFAULT_QUEUE = "default"
QUEUES = (
    "dispatch", "expiry", "judging", "settlement", "payouts", "webhooks", "exports", DEFAULT_QUEUE,
)  # fmt: skip
#: Longer than the longest task may run, or a running one would be handed out again.
VISIBILITY_SECONDS = 300
SOFT_LIMIT_SECONDS = 60
HARD_LIMIT_SECONDS = 120


def broker_url(redis_url: str) -> str:
    """The address of a Redis in the form that Celery reads."""
    return redis_url.replace("unix://", "redis+socket://", 1)


def configuration(redis_url: str) -> dict[str, Any]:
    """Celery's settings, apart from what the sweeps add."""
    visibility = {"visibility_timeout": VISIBILITY_SECONDS}
    return {
        "broker_url": broker_url(redis_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 2,
        # Celery honours the timeout only where all three places agree.
        "visibility_timeout": VISIBILITY_SECONDS,
        "broker_transport_options": {
            **visibility,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 2,
            "global_keyprefix": "piecework:",
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        "result_backend_transport_options": visibility,
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_soft_time_limit": SOFT_LIMIT_SECONDS,
        "task_time_limit": HARD_LIMIT_SECONDS,
        "task_default_queue": DEFAULT_QUEUE,
        "task_create_missing_queues": False,
        "task_queues": [Queue(name) for name in QUEUES],
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0, "interval_max": 0.1},
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_max_tasks_per_child": 10_000,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        # The schedule is static: no file to keep, and two beats harm nothing.
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_max_loop_interval": 1,
        "enable_utc": True,
        "timezone": "UTC",
    }


# The warning is about pickled messages; ours are JSON, on a broker that only we can reach.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("piecework", set_as_current=True)
app.conf.update(configuration(settings.REDIS_URL))


def install_sweeps() -> None:
    """Import every plane's tasks, then route and schedule the sweeps that they registered.

    A message that waited longer than a few rounds is dropped: a newer one does its work.
    """
    if importlib.util.find_spec("core.sweeps") is None:
        return
    from core import sweeps

    for plane in PLANES:
        if apps.is_installed(plane) and importlib.util.find_spec(f"{plane}.tasks") is not None:
            importlib.import_module(f"{plane}.tasks")
    registered = sweeps.registry().values()
    app.conf.task_routes = {sweep.name: {"queue": sweep.queue} for sweep in registered}
    app.conf.beat_schedule = {
        sweep.name: {
            "task": sweep.name,
            "schedule": sweep.every,
            "options": {"queue": sweep.queue, "expires": max(10.0, 3 * sweep.every)},
        }
        for sweep in registered
    }


@setup_logging.connect
def _keep_our_logging(**_options: Any) -> None:
    """Celery leaves logging to Django's settings when somebody listens here."""
