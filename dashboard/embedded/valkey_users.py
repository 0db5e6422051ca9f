"""Users of the embedded Valkey, and the documented rights for any Valkey.

The server's file holds digests of the secrets only.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from agent_sessions.keys import CONVERSATIONS, NAMESPACE, Keys
from dashboard.embedded.account import Account
from dashboard.embedded.credentials import LogIn, secret

DEFAULT_NAMESPACE = NAMESPACE
FILE = "users.acl"  # in the socket folder, the server's working directory
_COMMANDS = (
    "+@read +@write +@pubsub +@scripting +@connection +@transaction +select +time -@dangerous"
)
_CONVERSATIONS = [f"{CONVERSATIONS}*", f"{{{CONVERSATIONS}}}*"]


def rights(log_in: LogIn, namespace: str) -> str:
    """The rights as ACL rules. Pattern characters in the namespace are escaped."""
    plain = re.sub(r"([*?\[\]\\^])", r"\\\1", namespace)
    names = Keys(re.sub(r"\s", "?", plain))
    if log_in is LogIn.OWNER:
        return "~* &* +@all"
    if log_in is LogIn.DASHBOARD:
        everything = _tagged_or_not(f"{names.namespace}:*")
        return _limited(everything, everything, "+cluster|slots")
    # Without `names.web`, the keys that only web processes use.
    sessions = _tagged_or_not(names.copy("*"))
    keys = [*sessions, names.sessions, f"{names.heartbeats}*", f"{names.beats}*"]
    channels = [*sessions, names.beats, names.listening]
    return _limited(keys, channels, "-scan -randomkey +cluster|slots")


def _tagged_or_not(pattern: str) -> list[str]:
    """Keys of a session have the session's key as their hash tag."""
    return [pattern, f"{{{pattern}"]


def _limited(keys: list[str], channels: list[str], commands: str) -> str:
    allowed = [f"~{pattern}" for pattern in [*keys, *_CONVERSATIONS]]
    allowed += [f"&{pattern}" for pattern in [*channels, _CONVERSATIONS[0]]]
    return " ".join(["resetchannels", *allowed, _COMMANDS, commands])


def write(folder: Path, data_dir: Path, namespace: str, account: Account) -> None:
    lines = ["user default off"]
    for log_in in LogIn:
        digest = hashlib.sha256(secret(data_dir, "valkey", log_in).encode()).hexdigest()
        lines.append(f"user {log_in} on #{digest} {rights(log_in, namespace)}")
    path = folder / FILE
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text("\n".join([*lines, ""]))
    os.chown(path, account.uid, account.gid)
