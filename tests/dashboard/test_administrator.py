from __future__ import annotations

import stat
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User

from dashboard.administrator import ensure_administrator
from dashboard.secret import admin_password, secret_key
from sessions_app.permissions import GROUPS, ensure_groups


def test_the_first_start_makes_the_administrator_and_the_next_ones_keep_her(db: None) -> None:
    password = ensure_administrator()
    assert ensure_administrator() == password
    assert User.objects.get(username="admin").check_password(password)


def test_a_password_that_a_person_changed_stays(db: None) -> None:
    ensure_administrator()
    user = User.objects.get(username="admin")
    user.set_password("mein-eigenes")
    user.save()
    assert ensure_administrator() == ""
    assert User.objects.get(username="admin").check_password("mein-eigenes")


def test_only_its_owner_reads_a_secret(tmp_path: Path) -> None:
    assert secret_key(tmp_path) == secret_key(tmp_path)
    assert len(admin_password(tmp_path)) >= 12
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_groups_are_made_once(db: None) -> None:
    ensure_groups()
    ensure_groups()
    assert sorted(Group.objects.values_list("name", flat=True)) == sorted(GROUPS)


def test_a_right_that_was_taken_from_a_ready_group_stays_taken(db: None) -> None:
    Group.objects.filter(name="leads").delete()
    ensure_groups()
    leads = Group.objects.get(name="leads")
    leads.permissions.remove(*leads.permissions.filter(codename="delete_session"))
    ensure_groups()
    assert not leads.permissions.filter(codename="delete_session").exists()
    leads.delete()  # other tests get it as it was


def test_the_tests_touch_no_real_data() -> None:
    assert Path(settings.DATA_DIR).name.startswith("dash-")
    with pytest.raises(ValueError, match="is not in the subpath of"):
        Path(settings.DATA_DIR).relative_to(settings.BASE_DIR)
