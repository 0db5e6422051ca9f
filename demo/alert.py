"""The alert agent watches other sessions' heartbeats and records one incident for each loss."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from agent_sessions import AgentSession, SessionManager
from demo.agent_process import main
from demo.desk import Desk, Rota, Work
from demo.patience import AWAY
from demo.surroundings import Surroundings

AGENT_TYPE = "alert"
MODEL = "herzschlag-wache-1"
LOST_AFTER = timedelta(seconds=120)
ROUNDS_A_SHIFT = 60
INCIDENTS_KEPT = 30


async def watch(work: Work) -> None:
    """Checks all sessions, for ROUNDS_A_SHIFT rounds.

    Silence during an outage of the store does not count as loss.
    """
    sighted_since = datetime.now(UTC)
    while work.context["round"] < ROUNDS_A_SHIFT:
        for _ in range(6):
            await work.step()
        now = datetime.now(UTC)
        try:
            sessions = await work.manager.get_active_sessions()
        except AWAY:
            sighted_since = now
            work.context["blind_rounds"] += 1
            continue
        news = note(work.context, sessions, now, sighted_since)
        await work.checkpoint("watch_round", {"round": work.context["round"], **news})
    context = work.context
    await work.complete({"rounds": context["round"], "incidents": context["incidents_total"]})


def note(
    context: dict[str, Any],
    sessions: Iterable[AgentSession],
    now: datetime,
    sighted_since: datetime,
) -> dict[str, Any]:
    """Opens an incident for each newly lost session; closes those of recovered or ended ones."""
    silence = {s.session_id: (s, now - max(s.last_heartbeat, sighted_since)) for s in sessions}
    lost = {one: found for one, found in silence.items() if found[1] >= LOST_AFTER}
    open_before = {i["session"]: i for i in context["incidents"] if i["until"] is None}
    for session_id, incident in open_before.items():
        if session_id not in lost:
            incident["until"] = now.isoformat(timespec="seconds")
            incident["ending"] = "wieder da" if session_id in silence else "beendet"
    opened = [one for one in lost if one not in open_before]
    context["incidents"] += [_incident(lost[one][0], now) for one in opened]
    context["incidents"] = context["incidents"][-INCIDENTS_KEPT:]
    context["incidents_total"] += len(opened)
    context["watched"] = len(silence)
    context["round"] += 1
    return {"watched": len(silence), "lost": sorted(lost), "new": opened}


def _incident(session: AgentSession, now: datetime) -> dict[str, Any]:
    return {
        "session": session.session_id,
        "agent_type": session.agent_type,
        "worker": session.metadata.get("worker"),
        "what": "Lebenszeichen ausgeblieben",
        "silent_since": session.last_heartbeat.isoformat(timespec="seconds"),
        "seen": now.isoformat(timespec="seconds"),
        "until": None,
        "ending": None,
    }


def first_context() -> dict[str, Any]:
    return {
        "round": 0,
        "watched": 0,
        "blind_rounds": 0,
        "incidents_total": 0,
        "incidents": [],
        "lost_after_seconds": LOST_AFTER.total_seconds(),
    }


async def open_desk(manager: SessionManager, around: Surroundings) -> Desk:
    async def begin() -> AgentSession:
        return await manager.create_session(
            AGENT_TYPE, "bereitschaft@plattform.example", first_context(), around.metadata(MODEL)
        )

    return Rota(manager, around, AGENT_TYPE, watch, begin, places=1, rest=(1.0, 3.0))


if __name__ == "__main__":
    main(open_desk)
