"""Django's models match the database, and its migrations match the library's."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models

from agent_sessions import schema

MIRRORS = [
    model for model in apps.get_app_config("sessions_app").get_models() if not model._meta.managed
]
NOT_MIRRORED = {
    "agent_session_activity",
    "agent_session_counts",
    "agent_session_migrations",
    "agent_session_verbs",
    "agent_session_timeline",
}

# The type of each field's column in information_schema.
TYPES = {
    "UUIDField": "uuid",
    "CharField": "character varying",
    "TextField": "text",
    "JSONField": "jsonb",
    "DateTimeField": "timestamp with time zone",
    "BigIntegerField": "bigint",
    "IntegerField": "integer",
    "SmallIntegerField": "smallint",
    "ArrayField": "ARRAY",
}
COLUMNS = """
SELECT column_name, data_type, character_maximum_length, is_nullable = 'YES'
FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = %s
"""
PRIMARY_KEY = """
SELECT a.attname FROM pg_index i
JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, o) ON true
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY k.o
"""
TABLES = """
SELECT relname FROM pg_class
WHERE relname LIKE 'agent\\_session%' AND relkind IN ('r', 'p') AND NOT relispartition
  AND relnamespace = current_schema()::regnamespace
"""


def query(sql: str, *parameters: Any) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall())


def columns_of(model: type[models.Model]) -> dict[str, tuple[str, int | None, bool]]:
    fields = [field for field in model._meta.concrete_fields if field.column]
    return {
        str(field.column): (
            TYPES[field.get_internal_type()],
            field.max_length if isinstance(field, models.CharField) else None,
            field.null,
        )
        for field in fields
    }


@pytest.mark.django_db
@pytest.mark.parametrize("model", MIRRORS, ids=lambda model: model.__name__)
def test_a_mirror_has_the_columns_of_its_table(model):
    found = {str(name): rest for name, *rest in query(COLUMNS, model._meta.db_table)}
    assert {name: list(rest) for name, rest in columns_of(model).items()} == found


@pytest.mark.django_db
@pytest.mark.parametrize("model", MIRRORS, ids=lambda model: model.__name__)
def test_a_mirror_has_the_key_of_its_table(model):
    key = model._meta.pk
    names = getattr(key, "field_names", None) or (key.column,)
    assert [name for (name,) in query(PRIMARY_KEY, model._meta.db_table)] == list(names)


@pytest.mark.django_db
def test_every_table_of_the_library_has_a_mirror_or_is_known_to_need_none():
    assert {name for (name,) in query(TABLES)} == {m._meta.db_table for m in MIRRORS} | NOT_MIRRORED


def test_every_migration_of_the_library_is_run_by_one_of_django():
    folder = Path(apps.get_app_config("sessions_app").path) / "migrations"
    texts = [
        node.value
        for file in sorted(folder.glob("0*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    library = schema.migrations()
    assert [text for text in texts if text in library] == library


@pytest.mark.django_db
def test_the_database_says_the_same_of_what_was_run():
    found = query("SELECT name FROM agent_session_migrations ORDER BY name")
    assert [name for (name,) in found] == schema.migrations()


@pytest.mark.django_db
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
