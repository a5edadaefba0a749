"""What the server says of itself at /metrics, for Prometheus, which adds its memory and processor time."""

from prometheus_client import Counter, Gauge, Histogram

UNFINISHED = Gauge("zoomdiff_runs_unfinished", "Runs that wait or compute.")
BEGUN = Gauge("zoomdiff_runs_begun", "Runs that compute, or are paused for a shorter one.")
ENDED = Counter("zoomdiff_runs", "Runs that ended.", ["end"])
for end in ("done", "refused", "cancelled", "error"):
    ENDED.labels(end)  # so that each is there, with 0, before the first run
WAITED = Histogram("zoomdiff_run_wait_seconds", "Seconds until a run began.", buckets=(0.1, 1, 5, 10, 30, 60, 300))
TOOK = Histogram(
    "zoomdiff_run_seconds", "Seconds from a run's begin to its end.", buckets=(1, 5, 10, 30, 60, 300, 1800)
)
