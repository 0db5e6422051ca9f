"""How long this watchdog has seen each session's last heartbeat unchanged."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 50_000


@dataclass(slots=True)
class Candidate:
    beat: object
    since: float
    round: int


class Candidates:
    """A session is silent only while its time stays the same: agents with wrong clocks send wrong but new times."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[str, Candidate] = {}
        self._round = 0

    def __len__(self) -> int:
        return len(self._known)

    def unchanged_for(self, session_id: str, beat: object, now: float) -> float:
        """Records the newest heartbeat; returns for how many seconds it has been the newest."""
        known = self._known.get(session_id)
        if known is None:
            if len(self._known) < self._most:
                self._known[session_id] = Candidate(beat, now, self._round)
            return 0.0
        known.round = self._round
        if known.beat != beat:
            known.beat, known.since = beat, now
        return now - known.since

    def discard(self, session_id: str) -> None:
        self._known.pop(session_id, None)

    def clear(self) -> None:
        self._known.clear()

    def next_round(self) -> None:
        """After all sessions were read once: forgets those that have ended or sent a heartbeat."""
        gone = [i for i, candidate in self._known.items() if candidate.round < self._round]
        for session_id in gone:
            del self._known[session_id]
        self._round += 1
