"""Pages that are not browsers acknowledge as a browser does."""

import re

from django.template import Context, Template

from sessions_app.live.limits import ACK_AFTER, ACK_BYTES, ACK_EVERY, LIMITS


def test_every_page_is_told_when_to_acknowledge() -> None:
    page = Template("{% load sessions %}{% addresses %}").render(Context())
    told = dict(re.findall(r'data-ack-(\w+)="(\d+)"', page))
    assert told == {
        "every": str(ACK_EVERY),
        "bytes": str(ACK_BYTES),
        "after": str(round(ACK_AFTER * 1000)),
    }


def test_an_acknowledgement_is_due_before_the_server_stops_sending() -> None:
    assert ACK_EVERY < LIMITS.window_frames
    assert ACK_BYTES < LIMITS.window_bytes
    assert ACK_AFTER < LIMITS.acknowledgement
