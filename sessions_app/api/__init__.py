"""Sessions and orders for programs, with OpenAPI at /api/openapi.json; described in docs/api.md."""
