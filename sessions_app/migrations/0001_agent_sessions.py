from django.db import migrations

import agent_sessions.schema


def apply_library_schema(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for name in (
            "0001_tables",
            "0002_functions",
            "0003_guard",
            "0004_history",
        ):
            agent_sessions.schema.apply(cursor, name)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunPython(apply_library_schema, migrations.RunPython.noop),
    ]
