import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0005_activity"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BulkJob",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("verb", models.CharField(max_length=20, verbose_name="order")),
                (
                    "checkpoint",
                    models.CharField(blank=True, max_length=500, verbose_name="checkpoint"),
                ),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
                ("actor", models.CharField(max_length=150, verbose_name="by")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "not started"),
                            ("running", "running"),
                            ("stopped", "stopped"),
                            ("done", "finished"),
                        ],
                        default="draft",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("trouble", models.CharField(blank=True, max_length=20)),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("list", "from the list"),
                            ("undo", "undoes another"),
                            ("retry", "tries again what failed"),
                        ],
                        default="list",
                        max_length=10,
                    ),
                ),
                ("query", models.TextField(blank=True)),
                ("cut", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="planned")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended")),
                ("worker", models.CharField(blank=True, max_length=200)),
                ("lease_until", models.DateTimeField(null=True)),
                (
                    "follows",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="sessions_app.bulkjob",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "bulk order",
                "verbose_name_plural": "bulk orders",
            },
        ),
        migrations.CreateModel(
            name="BulkItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("n", models.IntegerField()),
                ("session_id", models.UUIDField()),
                ("agent_type", models.CharField(max_length=50)),
                ("version", models.BigIntegerField()),
                ("checkpoint_n", models.IntegerField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("done", "done"),
                            ("already", "was so already"),
                            ("failed", "did not work"),
                            ("impossible", "not possible"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=20)),
                ("detail", models.CharField(blank=True, max_length=300)),
                ("result_version", models.BigIntegerField(null=True)),
                ("at", models.DateTimeField(null=True)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="sessions_app.bulkjob",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="bulkjob",
            index=models.Index(
                condition=models.Q(("state", "running")), fields=["started_at"], name="bulk_running"
            ),
        ),
        migrations.AddIndex(
            model_name="bulkjob",
            index=models.Index(fields=["-created_at"], name="bulk_newest"),
        ),
        migrations.AddIndex(
            model_name="bulkitem",
            index=models.Index(fields=["job", "outcome", "n"], name="bulk_item_outcome"),
        ),
        migrations.AddConstraint(
            model_name="bulkitem",
            constraint=models.UniqueConstraint(fields=("job", "session_id"), name="bulk_item_once"),
        ),
    ]
