"""The API for programs: sessions and orders.

OpenAPI at /api/openapi.json, described in docs/api.md.
"""
