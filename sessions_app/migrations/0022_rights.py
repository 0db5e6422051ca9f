"""Named rights in place of the one to operate sessions. Who has the old one may do the same as before."""

from __future__ import annotations

from typing import Any

import django.contrib.postgres.fields
from django.db import migrations, models

VIEW, OPERATE = "view_agentsession", "operate_agentsession"
ORDERS = ("pause", "resume", "rollback", "complete", "fail", "delete", "restore")
RIGHTS = {
    "view_content": "See contents of sessions",
    "export_history": "Export the history",
    "edit_session": "Edit context and metadata",
    "share_views": "Share saved views",
    "pause_session": "Pause",
    "resume_session": "Resume",
    "rollback_session": "Roll back",
    "complete_session": "Complete",
    "fail_session": "End as failed",
    "delete_session": "Delete",
    "restore_session": "Restore",
}
OF_VIEWERS = ("view_content", "export_history", "share_views")


def convert(apps: Any, _schema: Any) -> None:
    """Adds the named rights that cover what the old ones allowed. Viewers could also export, and share views."""
    permissions = apps.get_model("auth", "Permission").objects
    of_sessions = permissions.filter(
        content_type__app_label="sessions_app", content_type__model="agentsession"
    )
    old = {right.codename: right for right in of_sessions.filter(codename__in=(VIEW, OPERATE))}
    if not old:
        return  # a new database
    content_type = next(iter(old.values())).content_type
    new = {
        codename: permissions.get_or_create(
            codename=codename, content_type=content_type, defaults={"name": name}
        )[0]
        for codename, name in {VIEW: "Can view agent session", **RIGHTS}.items()
    }
    given = {VIEW: [new[name] for name in OF_VIEWERS], OPERATE: list(new.values())}
    for codename, right in old.items():
        for user in right.user_set.all():
            user.user_permissions.add(*given[codename])
        for group in right.group_set.all():
            group.permissions.add(*given[codename])
    of_sessions.filter(codename=OPERATE).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0021_verbs"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        migrations.AlterModelOptions(
            name="agentsession",
            options={
                "managed": False,
                "permissions": list(RIGHTS.items()),
                "verbose_name": "agent session",
                "verbose_name_plural": "agent sessions",
            },
        ),
        migrations.AddField(
            model_name="apitoken",
            name="rights",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=100),
                null=True,
                size=None,
                verbose_name="rights",
            ),
        ),
        migrations.RunPython(convert, migrations.RunPython.noop),
    ]
