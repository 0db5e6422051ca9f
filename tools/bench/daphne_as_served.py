"""daphne as in production: without `click`, which is installed for development only.

Where autobahn finds `click`, it colours log lines of every frame.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.modules["click"] = None  # type: ignore[assignment]
    from daphne.cli import CommandLineInterface

    CommandLineInterface.entrypoint()
