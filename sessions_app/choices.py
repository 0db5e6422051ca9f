"""Labels and icons of states, conditions and verbs; the table of verbs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from agent_sessions.states import SessionState, sources

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Badge:
    """Colour, icon and label of a state. The colour is never the only sign."""

    name: str
    icon: str
    word: Text
    hint: Text = ""


STATES = {
    "active": Badge("active", "play", _("Active"), _("The agent is working.")),
    "pausing": Badge(
        "pausing", "pausing", _("Pausing"), _("Asked to pause; the agent has not confirmed it yet.")
    ),
    "paused": Badge(
        "paused", "pause", _("Paused"), _("The agent has confirmed the pause and waits.")
    ),
    "completed": Badge("completed", "check", _("Completed"), _("The work is finished.")),
    "failed": Badge("failed", "cross", _("Failed"), _("The work was ended by an error.")),
    "deleted": Badge("deleted", "trash", _("Deleted"), _("The session is in the trash.")),
}
STATE_LABELS: list[tuple[str, Text]] = [
    ("active", _("active")),
    ("paused", _("paused")),
    ("completed", _("completed")),
    ("failed", _("failed")),
    ("deleted", _("deleted")),
]
"""Within a sentence, and in the administration."""
CONDITIONS = {
    "late": Badge("late", "clock", _("Late"), _("The heartbeat is overdue.")),
    "lost": Badge(
        "lost",
        "signal-off",
        _("Lost"),
        _("No heartbeat for a long time; the session is considered lost."),
    ),
    "no_progress": Badge(
        "no_progress", "hourglass", _("No progress"), _("The process lives, but gets nothing done.")
    ),
}
MOST_URGENT_FIRST = ("lost", "late", "no_progress")
RESUMING = Badge(
    "pausing", "pausing", _("Resuming"), _("Asked to go on; the agent has not confirmed it yet.")
)
ROLLING_BACK = Badge(
    "pausing",
    "rollback",
    _("Rolling back"),
    _("Rolled back; the agent has not confirmed it yet."),
)
UNKNOWN_HINT = _("A state this page does not know.")


def unknown_state(state: str) -> Badge:
    return Badge("deleted", "question", state[:20], UNKNOWN_HINT)


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: its URL (a noun), its labels, and what a person must know before giving it.

    `ordered` is its label in the history, `checkpoint` the label of its checkpoint.

    `agent_sessions.states` defines where it is possible. `main_in`: states whose page offers it
    first. `undo`: the verb that reverts it. `rare`: shown only where it is possible. `unconfirmed`:
    the label of an active session until its agent has confirmed the order.
    """

    name: str
    noun: str
    icon: str
    label: Text
    title: Text
    done: Text
    ordered: Text
    checkpoint: Text
    warning: Text
    reason_required: bool = False
    danger: bool = False
    rare: bool = False
    needs_checkpoint: bool = False
    main_in: frozenset[str] = frozenset()
    undo: str = ""
    blocked: Text = ""
    unconfirmed: Badge | None = None

    @property
    def right(self) -> str:
        """The permission that it needs."""
        return f"{self.name}_session"

    @property
    def states(self) -> frozenset[str]:
        return frozenset(sources(self.name))

    def blocked_in(self, state: str) -> Text:
        """The reason why it is impossible in this state; empty if it is possible."""
        if state in self.states:
            return ""
        return self.blocked or STATE_ADJECTIVES.get(state, UNKNOWN_HINT)


VERBS = {
    "pause": Verb(
        "pause", "pauses", "pause", pgettext_lazy("verb", "Pause"), _("Pause this session?"),
        _("Pause ordered."), _("Pause ordered"), _("On pause"),
        _("The agent pauses after its current step. Requests it has already sent, to a language model"
          " for example, are not cancelled."),
        main_in=frozenset({SessionState.ACTIVE}), undo="resume",
    ),
    "resume": Verb(
        "resume", "resumes", "play", pgettext_lazy("verb", "Resume"), _("Resume this session?"),
        _("Resuming ordered."), _("Resume ordered"), _("On resuming"),
        _("The agent goes on from where it waits. If its process has ended meanwhile, nothing happens"
          " until it is started again."),
        main_in=frozenset({SessionState.PAUSED}), undo="pause", unconfirmed=RESUMING,
    ),
    "rollback": Verb(
        "rollback", "rollbacks", "rollback", pgettext_lazy("verb", "Roll back"),
        _("Roll this session back?"), _("Rollback ordered."), _("Rollback ordered"),
        _("After rollback"),
        _("What the agent did outside this system is not undone: messages sent, grades handed over,"
          " calls paid for. Its current work is discarded, and anything it saves late is rejected."),
        reason_required=True, danger=True, needs_checkpoint=True,
        main_in=frozenset({SessionState.COMPLETED, SessionState.FAILED}), unconfirmed=ROLLING_BACK,
    ),
    "complete": Verb(
        "complete", "completions", "check", pgettext_lazy("verb", "Complete"),
        _("Complete this session?"), _("Completed."), _("Completed"), _("On completion"),
        _("The session counts as finished. The agent ends its work after its current step; what it has"
          " not saved by then is lost. You can only come back from here by rolling back."),
    ),
    "fail": Verb(
        "fail", "failures", "cross", pgettext_lazy("verb", "End as failed"),
        _("End this session as failed?"), _("Ended as failed."), _("Ended as failed"),
        _("On failure"),
        _("The agent ends its work after its current step, and what it saves from now on is rejected."
          " You can only come back from here by rolling back to a checkpoint."),
        reason_required=True, danger=True,
    ),
    "delete": Verb(
        "delete", "deletions", "trash", pgettext_lazy("verb", "Delete"), _("Delete this session?"),
        _("Deleted."), _("Deleted"), _("On deletion"),
        _("The session leaves the list and its agent ends its work. It stays in the trash, with its"
          " whole history."),
        reason_required=True, danger=True, undo="restore", blocked=_("The session is deleted already."),
    ),
    "restore": Verb(
        "restore", "restorations", "rollback", pgettext_lazy("verb", "Restore"),
        _("Restore this session?"), _("Restored."), _("Restored"), _("On restoring"),
        _("The session comes back in the state it had before it was deleted. Its agent does not start"
          " again by itself."),
        rare=True, main_in=frozenset({SessionState.DELETED}), blocked=_("The session is not deleted."),
        unconfirmed=RESUMING,
    ),
}  # fmt: skip

STATE_ADJECTIVES = {
    "active": _("The session is active already."),
    "paused": _("The session is paused already."),
    "completed": _("The session is completed; only rolling back leads on from there."),
    "failed": _("The session has failed; only rolling back leads on from there."),
    "deleted": _("The session is deleted; it must be restored first."),
}


def verb_of_noun(noun: str) -> Verb | None:
    """The verb with this noun in its URL."""
    return next((verb for verb in VERBS.values() if verb.noun == noun), None)


def primary_verb(state: str) -> Verb:
    """The order that a session in this state most likely needs."""
    return next((verb for verb in VERBS.values() if state in verb.main_in), VERBS["pause"])


KINDS = {
    "created": Badge("created", "plus", _("Created")),
    "checkpoint": Badge("checkpoint", "flag", _("Checkpoint")),
    "context": Badge("context", "braces", _("Context changed")),
    "metadata": Badge("metadata", "braces", _("Metadata changed")),
    "edit": Badge("metadata", "braces", _("Edited")),
    "state": Badge("state", "play", _("State changed by the agent")),
    "order": Badge("order", "hand", _("Order")),
    "acknowledged": Badge("acknowledged", "check", _("Confirmed by the agent")),
    "parts": Badge("pausing", "pausing", _("Parts still at work")),
    "taken_over": Badge("taken_over", "hand", _("Taken over by another process")),
    "handed_back": Badge("handed_back", "hand", _("Handed back")),
    "attempt": Badge("attempt", "cross", _("Attempt failed")),
    "refused": Badge("refused", "shield", _("Late save rejected")),
    "adopted": Badge("adopted", "plus", _("Taken over from the old table")),
    "purged": Badge("deleted", "trash", _("Removed for good")),
}
SOURCES = {
    "agent": _("agent"),
    "old-agent": _("agent of the old kind"),
    "page": _("dashboard"),
    "bulk": _("dashboard, several at once"),
    "admin": _("administration"),
    "api": _("API"),
    "command": _("command line"),
    "sweeper": _("monitor"),
    "sql": _("directly in the database"),
    "migration": _("migration"),
}


# Texts of the library and the commands in fields where people write texts or names.
REASONS = {
    "heartbeat_timeout": _("no heartbeat from the agent (time-out)"),
    "purge_sessions": _("emptied from the trash when its time was over"),
}
ACTORS = {"sweeper": _("monitor (automatic)")}


def as_text(value: Any) -> str:
    """JSON as readable text, cut to a bounded length."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text if len(text) <= 4000 else f"{text[:4000]} …"
