"""Prometheus metrics; several web processes share them through PROMETHEUS_MULTIPROC_DIR."""

from __future__ import annotations

import functools
import os
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Histogram,
    generate_latest,
    multiprocess,
    registry,
)

_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Histogram(
    "piecework_request_seconds",
    "Time to answer a request, by route name and class of status.",
    ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)


@functools.lru_cache(maxsize=2048)
def _child(method: str, route: str, status: str) -> Any:
    return REQUESTS.labels(method, route, status)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    known = method if method in _KNOWN_METHODS else "other"
    _child(known, route, f"{status // 100}xx").observe(seconds)


def exposition() -> bytes:
    """Every metric of every process, in Prometheus' text format."""
    source: CollectorRegistry = registry.REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        source = CollectorRegistry()
        multiprocess.MultiProcessCollector(source)
    return generate_latest(source)
