"""The users of the embedded Valkey, and what the documented users of any Valkey may.

The file that the server reads holds digests of the secrets only.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from dashboard.embedded.account import Account
from dashboard.embedded.log_ins import LogIn, secret

DEFAULT_NAMESPACE = "breakpilot"
FILE = "users.acl"  # in the folder of the sockets, where the server starts
_COMMANDS = (
    "+@read +@write +@pubsub +@scripting +@connection +@transaction +select +time -@dangerous"
)
_RIGHTS = {
    LogIn.OWNER: "~* &* +@all",
    LogIn.DASHBOARD: (
        "resetchannels ~{n}:* ~{{{n}:* ~heritage:session:* ~{{heritage:session:}}*"
        " &{n}:* &{{{n}:* &heritage:session:* " + _COMMANDS + " +cluster|slots"
    ),
    # What web processes keep for themselves, {namespace}:web:, is not among these.
    LogIn.AGENTS: (
        "resetchannels ~{n}:session:* ~{{{n}:session:* ~{n}:sessions ~{n}:heartbeats* ~{n}:beats*"
        " ~heritage:session:* ~{{heritage:session:}}* &{n}:session:* &{{{n}:session:* &{n}:beats"
        " &{n}:listening &heritage:session:* " + _COMMANDS + " -scan -randomkey +cluster|slots"
    ),
}


def rights(log_in: LogIn, namespace: str) -> str:
    """In the words of an ACL. The namespace means itself, whatever is a pattern in it."""
    plain = re.sub(r"([*?\[\]\\^])", r"\\\1", namespace)
    return _RIGHTS[log_in].format(n=re.sub(r"\s", "?", plain))


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
