"""The OpenAPI document, with every possible response, errors included."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from dashboard.problems import CONTENT_TYPE, PROBLEMS

ALWAYS = {400, 401, 403, 413, 422, 429, 500, 503}
REFERENCE = {"$ref": "#/components/schemas/Problem"}
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
PROBLEM_SCHEMA = {
    "title": "Problem",
    "type": "object",
    "description": "RFC 9457. What stands beside the first four depends on `title`: see docs/api.md.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": TEXT,
        "title": {"type": "string", "enum": sorted({problem.title for problem in PROBLEMS})},
        "status": WHOLE,
        "detail": TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "what"],
                "properties": {"where": TEXT, "what": TEXT},
            },
        },
        "verb": TEXT,
        "state": TEXT,
        "version": WHOLE,
        "actor": {"type": ["string", "null"]},
        "loaded_known": {"type": "boolean"},
        "conflicts": {"type": "array", "items": {"type": "object"}},
    },
}


class DescribedAPI(NinjaAPI):
    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        schema["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                for status in sorted(_problems_of(path, operation)):
                    operation["responses"].setdefault(status, _response(status))
        return schema


def _problems_of(path: str, operation: dict[str, Any]) -> set[int]:
    found = set(ALWAYS)
    if "{" in path:
        found.add(404)
    if "requestBody" in operation:
        found |= {409, 412, 415}
    return found


def _response(status: int) -> dict[str, Any]:
    titles = [problem.title for problem in PROBLEMS if problem.status == status]
    return {
        "description": ", ".join(titles),
        "content": {CONTENT_TYPE: {"schema": REFERENCE}},
    }
