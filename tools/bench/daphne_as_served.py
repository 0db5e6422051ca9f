"""daphne as production has it. autobahn colours the log lines of each frame, which nobody reads, where it finds `click`;
that is only among what development needs."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.modules["click"] = None  # type: ignore[assignment]
    from daphne.cli import CommandLineInterface

    CommandLineInterface.entrypoint()
