"""The dashboard with a hub tick every 10 ms, to measure its maximum throughput.

A tick for 1,000 pages takes longer than that. Without any pause an idle hub would use a sixth of a
core, which the other arm would lack.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from dashboard.asgi import application
from sessions_app.live import factory
from sessions_app.live.hub import Hub
from sessions_app.live.limits import LIMITS

vars(factory)["Hub"] = partial(Hub, limits=replace(LIMITS, tick=0.01))

__all__ = ["application"]
