import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")
KINDS = [("address", "address"), ("account", "account"), ("pair", "account from address")]


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0015_drafts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="ProviderIdentity",
            fields=[
                ("id", ID),
                ("issuer", models.CharField(max_length=255, verbose_name="provider (iss)")),
                (
                    "subject",
                    models.CharField(max_length=255, verbose_name="account at the provider (sub)"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "single sign-on account",
                "verbose_name_plural": "single sign-on accounts",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("issuer", "subject"), name="one_user_an_identity"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LoginAttempts",
            fields=[
                ("id", ID.clone()),
                ("kind", models.CharField(choices=KINDS, max_length=10, verbose_name="kind")),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("tries", models.PositiveIntegerField(verbose_name="attempts")),
                ("since", models.DateTimeField(db_index=True, verbose_name="since")),
                ("last_at", models.DateTimeField(verbose_name="last")),
            ],
            options={
                "verbose_name": "failed log-ins",
                "verbose_name_plural": "failed log-ins",
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "name"), name="one_count_of_attempts")
                ],
            },
        ),
    ]
