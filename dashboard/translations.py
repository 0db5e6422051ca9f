"""Compiles .po files to the .mo files that Django reads, without gettext's programs."""

from __future__ import annotations

from pathlib import Path

import polib


def compile_messages(locale: Path) -> list[Path]:
    """Compiles files that are missing or older than their source; returns the paths written."""
    stale = [source for source in sorted(locale.glob("*/LC_MESSAGES/*.po")) if _is_stale(source)]
    for source in stale:
        new = source.with_suffix(".mo.new")
        polib.pofile(str(source)).save_as_mofile(str(new))
        new.replace(source.with_suffix(".mo"))
    return stale


def _is_stale(source: Path) -> bool:
    compiled = source.with_suffix(".mo")
    return not compiled.exists() or compiled.stat().st_mtime <= source.stat().st_mtime


if __name__ == "__main__":
    for written in compile_messages(Path(__file__).resolve().parent.parent / "locale"):
        print(f"compiled {written}")
