"""Prometheus metrics; several web processes share them through PROMETHEUS_MULTIPROC_DIR."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest, multiprocess, registry
from prometheus_client.core import GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
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


class _Lags(registry.Collector):
    """How far each sweep is behind, measured for one answer only."""

    def __init__(self, lags: Mapping[str, float]) -> None:
        self._lags = lags

    def collect(self) -> Iterator[Metric]:
        """The one gauge, with a value for each sweep that can tell."""
        gauge = GaugeMetricFamily(
            "piecework_oldest_due_seconds", "Age of a sweep's oldest due row.", labels=["sweep"]
        )
        for name, age in self._lags.items():
            gauge.add_metric([name], age)
        yield gauge


def exposition(lags: Mapping[str, float]) -> bytes:
    """Every metric of every process, and the sweeps' `lags`, in Prometheus' text format."""
    source: CollectorRegistry = registry.REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        source = CollectorRegistry()
        multiprocess.MultiProcessCollector(source)
    own = CollectorRegistry()
    own.register(_Lags(lags))
    return generate_latest(source) + generate_latest(own)
