from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed and compressed, the modules that a module imports included."""

    support_js_module_import_aggregation = True
