"""What Kong's prometheus plugin says of each route: how many requests, with which answers, and how long."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

BUCKETS = (25, 50, 80, 100, 250, 400, 700, 1000, 2000, 5000, 10000, 30000, 60000)  # milliseconds, as Kong's
Way = tuple[str, str]
"""A service and a route of it."""


@dataclass(slots=True)
class Latency:
    """How long requests took: how many of them fell into each bucket, and the sum in milliseconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0


@dataclass(slots=True)
class Meter:
    """Counts of a running gateway; they outlive a reload of the configuration."""

    answers: Counter[tuple[str, str, int, str]] = field(default_factory=Counter)
    latencies: dict[Way, Latency] = field(default_factory=lambda: defaultdict(Latency))

    def add(self, service: str, route: str, status: int, source: str, spent: float) -> None:
        """Count a request that was answered, by its service or by a plugin, after so many milliseconds."""
        self.answers[service, route, status, source] += 1
        latency = self.latencies[service, route]
        latency.counts[bisect_left(BUCKETS, spent)] += 1
        latency.total += spent

    def text(self) -> str:
        """Everything in the format that Prometheus reads, under Kong's names."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield "# HELP kong_http_requests_total HTTP status codes per service/route"
        yield "# TYPE kong_http_requests_total counter"
        for (service, route, status, source), count in sorted(self.answers.items()):
            labels = f'{_of(service, route)},code="{status}",source="{source}"'
            yield f"kong_http_requests_total{{{labels}}} {count}"
        yield "# HELP kong_request_latency_ms Total latency of a request"
        yield "# TYPE kong_request_latency_ms histogram"
        for (service, route), latency in sorted(self.latencies.items()):
            ways, below = _of(service, route), 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), latency.counts, strict=True):
                below += count
                yield f'kong_request_latency_ms_bucket{{{ways},le="{bound}"}} {below}'
            yield f"kong_request_latency_ms_count{{{ways}}} {below}"
            yield f"kong_request_latency_ms_sum{{{ways}}} {latency.total:.3f}"


def _of(service: str, route: str) -> str:
    return f'service="{service}",route="{route}",workspace="default"'
