"""The feed's metrics for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

SOCKETS = Gauge("sessions_feed_sockets", "Open pages", multiprocess_mode="livesum")
FRAMES = Counter("sessions_feed_frames_total", "Frames sent to pages")
BYTES = Counter("sessions_feed_bytes_total", "Characters sent to pages")
CONFLATED = Counter("sessions_feed_conflated_total", "Updates merged into one not yet sent")
CLOSED = Counter("sessions_feed_closed_total", "Sockets closed by the server", ["reason"])
RECONNECTS = Counter("sessions_feed_reconnects_total", "Connections the hub lost", ["source"])
HEALS = Counter("sessions_feed_heals_total", "Changes found by comparing that no notification told")
TICK_SECONDS = Histogram(
    "sessions_feed_tick_seconds",
    "One delivery, reading included",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
