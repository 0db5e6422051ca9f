"""HEARTBEAT_RULES: after how many seconds without a heartbeat or progress a session counts as late, lost or stuck."""

from __future__ import annotations

from collections.abc import Mapping

Rules = dict[str, dict[str, int]]

DEFAULT_RULE = {"interval": 10, "late": 30, "lost": 120, "no_progress": 600, "fail_after": 3600}
LONGEST_RULE = 10**9  # 31 years; PostgreSQL has no timestamps before 4713 BC


def merge_rules(given: Mapping[str, Mapping[str, int]]) -> Rules:
    """Completes every agent type's rule from `default`."""
    default = _rule("default", {**DEFAULT_RULE, **given.get("default", {})})
    return {
        "default": default,
        **{name: _rule(name, {**default, **rule}) for name, rule in given.items()},
    }


def _rule(name: str, rule: dict[str, int]) -> dict[str, int]:
    if unknown := set(rule) - set(DEFAULT_RULE):
        raise ValueError(f"{name} has the unknown key {', '.join(sorted(unknown))}")
    for key, seconds in rule.items():
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
            raise ValueError(f"{name}.{key} is no whole number of seconds above 0")
        if seconds > LONGEST_RULE:
            raise ValueError(f"{name}.{key} is more than {LONGEST_RULE} seconds")
    if not rule["interval"] < rule["late"] < rule["lost"]:
        raise ValueError(f"{name} needs interval < late < lost")
    return rule
