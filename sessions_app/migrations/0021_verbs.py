from django.db import migrations

import agent_sessions.schema


def apply_library_schema(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        agent_sessions.schema.apply(cursor, "0017_verbs")


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0020_bulk_item_session")]
    operations = [migrations.RunPython(apply_library_schema, migrations.RunPython.noop)]
