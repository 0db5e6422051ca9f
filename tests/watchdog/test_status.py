"""The watchdog's status on pages and in the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from sessions_app.models import Blindness, Monitor
from sessions_app.selectors.watchdog_status import read_watchdog_status

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)


def watched(seconds_ago: float) -> None:
    looked_at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    Monitor.objects.create(source="sweeper", began_at=NOW - timedelta(days=1), looked_at=looked_at)


def blind(cause: str, since: timedelta, until: timedelta | None = None) -> None:
    ended_at = None if until is None else NOW - until
    Blindness.objects.create(
        source="sweeper", cause=cause, started_at=NOW - since, ended_at=ended_at
    )


def test_without_any_run_the_watchdog_is_not_running():
    found = read_watchdog_status()
    assert (found.sees, found.runs, found.blind_since) == (False, False, None)


def test_a_watchdog_that_checked_just_now_receives_heartbeats():
    watched(2)
    found = read_watchdog_status()
    assert (found.sees, found.runs, found.blind_since) == (True, True, None)


def test_a_watchdog_without_recent_checks_is_gone_since_the_last_one():
    watched(300)
    found = read_watchdog_status()
    assert (found.sees, found.runs) == (False, False)
    assert found.blind_since == found.looked_at


def test_a_watchdog_without_heartbeats_says_since_when():
    watched(2)
    blind("valkey", timedelta(minutes=5))
    found = read_watchdog_status()
    assert (found.sees, found.runs) == (False, True)
    assert found.blind_since == NOW - timedelta(minutes=5)


def test_past_outages_are_listed_newest_first_and_old_ones_are_not():
    watched(2)
    blind("restart", timedelta(hours=3), timedelta(hours=2))
    blind("clock", timedelta(hours=1), timedelta(minutes=59))
    blind("valkey", timedelta(days=3), timedelta(days=2))
    found = read_watchdog_status()
    assert [gap.cause for gap in found.blind] == ["clock", "restart"]
    assert found.sees


def test_the_page_says_when_no_session_was_failed_for_silence(client, viewer):
    client.force_login(viewer)
    assert "Die Überwachung läuft nicht" in page(client)
    watched(2)
    assert not page(client).strip()
    blind("valkey", timedelta(minutes=9), timedelta(minutes=5))
    said = page(client)
    assert "Der Zwischenspeicher (Valkey) war nicht erreichbar" in said
    assert "keine Sitzung wegen fehlender Lebenszeichen beendet" in said
    blind("postgresql", timedelta(minutes=1))
    assert "keine Daten" in page(client)


def test_the_status_needs_the_permission_to_look(client, nobody):
    assert client.get("/watch/").status_code == 302
    client.force_login(nobody)
    assert client.get("/watch/").status_code == 403


def page(client: Client) -> str:
    content: bytes = client.get("/watch/", headers={"accept-language": "de"}).content
    return content.decode()
