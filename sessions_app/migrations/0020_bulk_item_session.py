"""The model's relation to the session, on the column that is there: no statement is run."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0019_forgery")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint("bulkitem", "bulk_item_once"),
                migrations.RemoveField("bulkitem", "session_id"),
                migrations.AddField(
                    "bulkitem",
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="bulk_items",
                        to="sessions_app.agentsession",
                    ),
                    preserve_default=False,
                ),
                migrations.AddConstraint(
                    "bulkitem",
                    models.UniqueConstraint(fields=("job", "session"), name="bulk_item_once"),
                ),
            ]
        )
    ]
