"""Figures about a page's main thread from Chromium's trace."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline", "v8"]
SCRIPTING = {
    *("FunctionCall", "EvaluateScript", "TimerFire", "EventDispatch", "FireAnimationFrame"),
    *("RunMicrotasks", "v8.compile", "v8.compileModule", "v8.evaluateModule", "MajorGC", "MinorGC"),
}
LONG_MS = 50.0

Event = dict[str, Any]


@dataclass(frozen=True)
class MainThread:
    seconds: float
    scripting_ms: float
    scripting_cpu_ms: float
    longest_ms: float
    longest_cpu_ms: float
    long_tasks: int
    long_cpu_tasks: int
    longest_holds: str  # the task that used most processor time

    @property
    def scripting(self) -> float:
        """Share of the time, including layout that scripts force."""
        return self.scripting_ms / self.seconds / 1000

    @property
    def scripting_cpu(self) -> float:
        return self.scripting_cpu_ms / self.seconds / 1000


def main_thread(trace: bytes, seconds: float) -> MainThread:
    events = _of_the_page(json.loads(trace)["traceEvents"])
    outermost = list(_outermost(e for e in events if e["name"] in SCRIPTING))
    tasks = [e for e in events if e["name"] == "RunTask"]
    busiest = max(tasks, key=_cpu_ms, default={})
    return MainThread(
        seconds,
        sum(map(_ms, outermost)),
        sum(map(_cpu_ms, outermost)),
        max(map(_ms, tasks), default=0.0),
        _cpu_ms(busiest),
        sum(_ms(task) > LONG_MS for task in tasks),
        sum(_cpu_ms(task) > LONG_MS for task in tasks),
        _inside(busiest, events),
    )


def _of_the_page(events: list[Event]) -> list[Event]:
    """The events of the renderer whose main thread ran most, because there is only one page."""
    mains = {
        (e["pid"], e["tid"])
        for e in events
        if e.get("name") == "thread_name" and e["args"].get("name") == "CrRendererMain"
    }
    by_thread: dict[tuple[int, int], list[Event]] = {main: [] for main in mains}
    for event in events:
        if event.get("ph") == "X" and (event["pid"], event["tid"]) in mains:
            by_thread[event["pid"], event["tid"]].append(event)
    return max(by_thread.values(), key=lambda found: sum(map(_ms, found)), default=[])


def _outermost(events: Iterable[Event]) -> Iterable[Event]:
    """Without nested events, so that no time counts twice."""
    end = 0.0
    for event in sorted(events, key=lambda e: (e["ts"], -e.get("dur", 0))):
        if event["ts"] >= end:
            end = event["ts"] + event.get("dur", 0)
            yield event


def _inside(task: Event, events: list[Event]) -> str:
    if not task:
        return ""
    begin, end = task["ts"], task["ts"] + task["dur"]
    within = [e for e in events if e is not task and begin <= e["ts"] < end]
    named = sorted(within, key=_cpu_ms, reverse=True)[:5]
    return ", ".join(f"{e['name']} {_cpu_ms(e):.0f} ms" for e in named)


def _ms(event: Event) -> float:
    return float(event.get("dur", 0)) / 1000


def _cpu_ms(event: Event) -> float:
    return float(event.get("tdur", 0)) / 1000
