"""The same sessions and orders for programs: OpenAPI at /api/openapi.json, described in docs/api.md."""
