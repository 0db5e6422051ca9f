"""Responses of the API match its OpenAPI document, by requests generated from that document."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sessions_app.api.app import api

from .conftest import Api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 6  # of each operation


def operations() -> list[str]:
    paths = api.get_openapi_schema()["paths"]
    return [f"{method.upper()} {path}" for path, found in paths.items() for method in found]


@pytest.fixture
def described(live_dashboard: Any, olga: Api) -> Any:
    return schemathesis.openapi.from_url(
        f"{live_dashboard.url}/api/openapi.json", headers=olga.headers
    )


def test_every_answer_to_made_up_requests_is_described(described, olga, create):
    """Valid and invalid requests; half of them are for an existing session."""
    session = create(step=1)
    for name in operations():
        method, path = name.split(" ")
        check(described[path][method], olga, session.session_id)


def check(operation: Any, olga: Api, id: str) -> None:
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    for mode in modes:
        strategy = operation.as_strategy(generation_mode=mode)

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=strategy, there=hypothesis.strategies.booleans())
        def holds(case: Any, there: bool) -> None:
            if there and "id" in case.path_parameters:
                case.path_parameters["id"] = id
            case.call_and_validate(headers=olga.headers, checks=CHECKS)

        holds()
