"""The shared session manager. Agents and the dashboard both use it; it knows nothing of Django."""

from agent_sessions.checkpoints import Checkpoint, CheckpointManager
from agent_sessions.edits import EditPreview, PathConflict
from agent_sessions.errors import (
    CheckpointNotFound,
    Completed,
    Conflict,
    Deleted,
    EditConflict,
    Failed,
    InvalidInput,
    InvalidTransition,
    OrderReceived,
    RequestReused,
    Restored,
    RolledBack,
    SessionEnded,
    SessionError,
    SessionNotFound,
    StaleEpoch,
    StorageMisconfigured,
    StorageUnavailable,
    TimelineChanged,
    UsageError,
    WriteRefused,
)
from agent_sessions.manager import SessionManager
from agent_sessions.models import AgentSession, Beat, Head, SessionCheckpoint
from agent_sessions.run import Run
from agent_sessions.states import FINAL_STATES, LIVE_STATES, TRANSITIONS, SessionState
from agent_sessions.transitions import RollbackPreview

__all__ = [
    "FINAL_STATES",
    "LIVE_STATES",
    "TRANSITIONS",
    "AgentSession",
    "Beat",
    "Checkpoint",
    "CheckpointManager",
    "CheckpointNotFound",
    "Completed",
    "Conflict",
    "Deleted",
    "EditConflict",
    "EditPreview",
    "Failed",
    "Head",
    "InvalidInput",
    "InvalidTransition",
    "OrderReceived",
    "PathConflict",
    "RequestReused",
    "Restored",
    "RollbackPreview",
    "RolledBack",
    "Run",
    "SessionCheckpoint",
    "SessionEnded",
    "SessionError",
    "SessionManager",
    "SessionNotFound",
    "SessionState",
    "StaleEpoch",
    "StorageMisconfigured",
    "StorageUnavailable",
    "TimelineChanged",
    "UsageError",
    "WriteRefused",
]
