from django.db import migrations, models

import agent_sessions.schema


def apply_library_schema(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        agent_sessions.schema.apply(cursor, "0005_monitor")


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0002_mirrors")]
    operations = [
        migrations.RunPython(apply_library_schema, migrations.RunPython.noop),
        migrations.CreateModel(
            name="Monitor",
            fields=[
                ("source", models.TextField(primary_key=True, serialize=False)),
                ("began_at", models.DateTimeField()),
                ("looked_at", models.DateTimeField()),
            ],
            options={"db_table": "agent_session_monitors", "managed": False},
        ),
        migrations.CreateModel(
            name="Blindness",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "source",
                        "cause",
                        "started_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("source", models.TextField()),
                ("cause", models.TextField()),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={"db_table": "agent_session_blindness", "managed": False},
        ),
    ]
