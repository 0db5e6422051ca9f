"""Fields of a session that only the store changes; reading, writing and copying use these names."""

from __future__ import annotations

from operator import itemgetter

TIMES = (
    "last_progress",
    "ended_at",
    "ordered_at",
    "acknowledged_at",
    "owner_since",
    "lease_until",
    "handed_back_at",
)
PLAIN = (
    "version",
    "epoch",
    "context_version",
    "checkpoint_count",
    "checkpoints_through",
    "state_before_deletion",
    "order_version",
    "order_verb",
    "order_actor",
    "order_reason",
    "order_checkpoint",
    "acknowledged_version",
    "parts",
    "parts_at_work",
    "owner_id",
    "owner_name",
    "failed_attempts",
    "refused_writes",
    "changed_by",
    "timeline",
)
STORED = (*PLAIN, *TIMES)
plain_of, times_of = itemgetter(*PLAIN), itemgetter(*TIMES)
