"""Messages of browsers, parsed strictly: everything else is refused with a reason."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from agent_sessions import InvalidInput
from agent_sessions.conversation.manager import check_id

from ..limits import LIMITS, FeedLimits

LARGEST = 2**63 - 1


class Malformed(ValueError):
    """An invalid message of a browser."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a page shows, with versions: its whole subscription."""

    page: Literal["list", "session"]
    rows: dict[str, int]
    query: str = ""
    language: str = ""
    since: int | None = None
    seq: int = 0
    conversation: str = ""
    access: str = ""
    """The digest of the access with which the page was rendered."""


@dataclass(frozen=True, slots=True)
class Ack:
    n: int


@dataclass(frozen=True, slots=True)
class Ping:
    pass


@dataclass(frozen=True, slots=True)
class _Fields:
    values: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: int | None = None) -> int:
        return _number(self.values.get(name, default), name)

    def text(self, name: str, longest: int) -> str:
        value = self.values.get(name, "")
        if not isinstance(value, str) or len(value) > longest or not _encodable(value):
            raise Malformed(f"{name} must be text of at most {longest} characters")
        return value


def parse(text: str, limits: FeedLimits = LIMITS) -> Hello | Ack | Ping:
    """Raises Malformed, whose message says what is wrong."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(values, dict):
        raise Malformed("not a JSON object")
    fields = _Fields(values)
    match values.get("type"):
        case "ack":
            return Ack(fields.number("n"))
        case "ping":
            return Ping()
        case "hello":
            return _hello(fields, limits)
        case _:
            raise Malformed("unknown type")


def _hello(fields: _Fields, limits: FeedLimits) -> Hello:
    common: dict[str, Any] = {
        "language": fields.text("language", 20),
        "seq": fields.number("seq", 0),
        "access": fields.text("access", 64),
    }
    match fields.values.get("page"):
        case "list":
            since = fields.values.get("since")
            return Hello(
                "list",
                _rows(fields.values.get("rows", {}), limits),
                query=fields.text("query", limits.query_length),
                since=None if since is None else _number(since, "since"),
                **common,
            )
        case "session":
            return Hello(
                "session",
                {_id(fields.values.get("id")): fields.number("version", 0)},
                conversation=_conversation(fields.text("conversation", 200)),
                **common,
            )
        case _:
            raise Malformed("unknown page")


def _rows(value: object, limits: FeedLimits) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > limits.rows:
        raise Malformed(f"rows must be an object of at most {limits.rows} ids")
    return {_id(key): _number(version, "version") for key, version in value.items()}


def _id(value: object) -> str:
    try:
        if isinstance(value, str) and len(value) == 36:
            return str(UUID(value))
    except ValueError:
        pass
    raise Malformed("an id must be a UUID")


def _conversation(name: str) -> str:
    try:
        return name and check_id(name)
    except InvalidInput:
        raise Malformed("conversation must be a conversation's id") from None


def _number(value: object, name: str) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST:
        raise Malformed(f"{name} must be a whole number from 0")
    return value


def _encodable(value: str) -> bool:
    return not any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in value)
