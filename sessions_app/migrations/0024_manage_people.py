from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0023_agent_type_limits")]
    operations = [
        migrations.AlterModelOptions(
            name="agentsession",
            options={
                "managed": False,
                "permissions": [
                    ("view_content", "See contents of sessions"),
                    ("export_history", "Export the history"),
                    ("edit_session", "Edit context and metadata"),
                    ("share_views", "Share saved views"),
                    ("manage_people", "Manage accounts"),
                    ("pause_session", "Pause"),
                    ("resume_session", "Resume"),
                    ("rollback_session", "Roll back"),
                    ("complete_session", "Complete"),
                    ("fail_session", "End as failed"),
                    ("delete_session", "Delete"),
                    ("restore_session", "Restore"),
                ],
                "verbose_name": "agent session",
                "verbose_name_plural": "agent sessions",
            },
        ),
    ]
