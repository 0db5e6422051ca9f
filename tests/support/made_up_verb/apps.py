"""Registers the verb before URLs, forms and endpoints are made from the table."""

from django.apps import AppConfig

from . import CHECKPOINT, HOLD


class MadeUpVerb(AppConfig):
    name = "tests.support.made_up_verb"

    def ready(self) -> None:
        from agent_sessions.states import CHECKPOINT_NAMES, TRANSITIONS, SessionState
        from sessions_app.choices import VERBS, Verb

        TRANSITIONS[HOLD] = {SessionState.ACTIVE: SessionState.PAUSED}
        CHECKPOINT_NAMES[HOLD] = CHECKPOINT
        VERBS[HOLD] = Verb(
            HOLD, "holds", "pause", "Hold", "Hold this session?", "Held.", "Hold ordered", "On hold",
            "The agent waits until somebody resumes it.",
            reason_required=True, undo="resume",
        )  # fmt: skip
