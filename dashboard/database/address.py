"""Parses database addresses in any form that libpq accepts; formats them without secrets."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
_SECRET = ("password", "sslpassword", "passfile", "oauth_client_secret")


def parts(address: str) -> dict[str, str]:
    """Parts of `postgresql://…` or `host=… dbname=…`. Raises ValueError if it is invalid."""
    scheme, separator, _ = address.partition("://")
    if separator and scheme not in ("postgres", "postgresql"):
        raise ValueError(f"{scheme} is no scheme of PostgreSQL")
    try:
        said = {name: str(value) for name, value in conninfo_to_dict(address).items()}
    except psycopg.ProgrammingError as error:
        raise ValueError(str(error).strip()) from None
    if any(port and not port.isdigit() for port in said.get("port", "").split(",")):
        raise ValueError(f"the port {said['port']} is no number")
    return said


def django_settings(address: str) -> dict[str, Any]:
    """NAME, USER, PASSWORD, HOST and PORT; everything else (`service`, …) in OPTIONS."""
    said = parts(address)
    named = {django: said.pop(libpq, "") for libpq, django in _NAMES.items()}
    if not named["NAME"] and "service" not in said:
        named["NAME"] = os.environ.get("PGDATABASE", "") or named["USER"] or "postgres"
    return {**named, "OPTIONS": said}


def shown(address: str) -> str:
    """For messages: hosts, ports, database and user, without secrets."""
    try:
        said = parts(address)
    except ValueError:
        return "an address that cannot be read"
    told = {name: value for name, value in said.items() if name not in _SECRET}
    hosts, ports = told.pop("host", "").split(","), told.pop("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    where = ",".join(
        f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False)
    )
    user, name = told.get("user", ""), told.get("dbname", "")
    service = f"?service={told['service']}" if "service" in told else ""
    return f"postgresql://{user}{'@' if user else ''}{where}/{name}{service}"
