"""Limits for one page and intervals of the hub, in seconds and bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedLimits:
    tick: float = 0.25
    watch: float = 1.0
    keepalive: float = 5.0
    counts: float = 1.0
    drift: float = 2.0
    reconcile: float = 10.0
    reconcile_without_beats: float = 2.0
    rights: float = 5.0
    proven: float = 5.0
    overdue: float = 5.0
    read: float = 10.0

    hello: float = 10.0
    acknowledgement: float = 30.0
    window_frames: int = 128
    window_bytes: int = 128 * 1024
    frame_bytes: int = 64 * 1024

    message_bytes: int = 64 * 1024
    messages_per_second: float = 50.0
    message_burst: float = 200.0
    rows: int = 1000
    query_length: int = 4000
    newcomers: int = 1000
    candidates: int = 2000


LIMITS = FeedLimits()

# A page acknowledges a frame after this many frames, bytes, or seconds since its last acknowledgement. That costs the
# server more than a frame, so it happens seldom, but before half a window is used.
ACK_EVERY, ACK_BYTES, ACK_AFTER = 48, 32 * 1024, 5.0
# Seconds without a frame: after more than one `keepalive` a page pings, after more than two it reconnects.
PING_AFTER, SILENT_AFTER = 7.0, 12.0
