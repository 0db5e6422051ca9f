"""daphne as in production: without `click`, with which autobahn colours the log lines of each
frame.

`click` is installed for development only.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.modules["click"] = None  # type: ignore[assignment]
    from daphne.cli import CommandLineInterface

    CommandLineInterface.entrypoint()
