"""Errors that hold no session, so that validation, states and plain data can raise them. `errors` exports them too."""

from __future__ import annotations


class SessionError(Exception):
    """Something about a session went wrong."""


class InvalidInput(SessionError, ValueError):
    """A value cannot be stored. `code` names the violated rule and `values` its parameters, for translations.

    `code` is empty if a developer has to change the program, rather than a person the value.
    """

    def __init__(self, message: str, code: str = "", **values: str | int) -> None:
        super().__init__(message)
        self.code = code
        self.values = values


class SessionNotFound(SessionError, LookupError):
    def __init__(self, session_id: str) -> None:
        super().__init__(f"there is no session {session_id}")
        self.session_id = session_id


class CheckpointNotFound(SessionError, LookupError):
    def __init__(self, checkpoint_id: str) -> None:
        super().__init__(f"there is no checkpoint {checkpoint_id} in this session")
        self.checkpoint_id = checkpoint_id


class InvalidTransition(SessionError):
    def __init__(self, *, current: str, verb: str) -> None:
        super().__init__(f"cannot {verb} a session that is {current}")
        self.current = str(current)
        self.verb = verb


class StorageUnavailable(SessionError):
    """PostgreSQL (or Valkey, where it is the only store) did not confirm: nothing is known to be saved."""


class StorageMisconfigured(SessionError):
    """PostgreSQL answers and refuses, or Valkey is too old: trying again changes nothing until the server is set up."""


class UsageError(SessionError, RuntimeError):
    """The library was called in a way that cannot work: after a fork, from another event loop, with another client."""
