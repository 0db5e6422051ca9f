"""The dashboard as it is, but its hub does not rest between ticks: measured is what it can carry.

A tick for a thousand pages takes longer than the ten milliseconds; looking every single one, when nothing is to be told,
would take a sixth of a core from whoever is measured beside it.
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
