"""`python -m agent_sessions migrate [DATABASE_URL]`: prepares a database for agents without the dashboard."""

from __future__ import annotations

import os
import sys

from agent_sessions import schema


def main(arguments: list[str]) -> int:
    url = arguments[1] if len(arguments) > 1 else os.environ.get("DATABASE_URL", "")
    if not arguments or arguments[0] != "migrate" or not url:
        print("usage: python -m agent_sessions migrate DATABASE_URL", file=sys.stderr)
        return 2
    applied = schema.migrate(url)
    print("\n".join(applied) if applied else "nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
