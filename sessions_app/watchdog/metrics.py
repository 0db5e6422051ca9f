"""The watchdog's metrics for Prometheus, on METRICS_PORT."""

from prometheus_client import Counter, Gauge

LEADS = Gauge("sessions_watchdog_leads", "1 while this process is the one that watches")
LOOKED_AT = Gauge("sessions_watchdog_looked_timestamp_seconds", "When this process looked last")
LOOKS = Counter("sessions_watchdog_looks_total", "Looks that were finished")
LOOKS_FAILED = Counter("sessions_watchdog_looks_failed_total", "Looks that ended with an error")
FAILED = Counter("sessions_watchdog_sessions_failed_total", "Sessions failed for their silence")
