"""Pages that are not browsers acknowledge as a browser does."""

import re
from pathlib import Path

from sessions_app.live.limits import ACK_AFTER, ACK_BYTES, ACK_EVERY

SCRIPT = Path(__file__).parents[2] / "static" / "js" / "core" / "feed.js"


def test_the_script_acknowledges_when_the_others_are_said_to() -> None:
    said = dict(re.findall(r"^const (ACK_\w+) = ([\d *]+);", SCRIPT.read_text(), re.MULTILINE))
    kilo = re.fullmatch(r"(\d+) \* 1024", said["ACK_BYTES"])
    assert kilo is not None and int(kilo[1]) * 1024 == ACK_BYTES
    assert (int(said["ACK_EVERY"]), int(said["ACK_AFTER"])) == (ACK_EVERY, ACK_AFTER * 1000)
