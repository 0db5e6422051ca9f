"""Logging: one line an event on the console, as text or JSON, with date and offset."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

OURS = ("agent_sessions", "sessions_app", "dashboard", "django.server")


def _timestamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")
    return event


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    _timestamp,
    structlog.processors.StackInfoRenderer(),
]


class OneLine(logging.Filter):
    """Removes tracebacks of answers below 500: refusing a request is not an error of the server."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = record.exc_text = None
        return True


def logging_config(*, level: str, json: bool) -> dict[str, Any]:
    """`level` is for this project's loggers. Other packages log below a warning only with `debug`."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    debug = level == "DEBUG"
    others = {"DEBUG": "INFO", "INFO": "WARNING"}.get(level, level)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "console": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *(_as_json() if json else _readable()),
                ],
                "foreign_pre_chain": SHARED,
            }
        },
        "filters": {"one_line": {"()": OneLine}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "console",
                "filters": ["one_line"],
            }
        },
        "root": {"handlers": ["console"], "level": others},
        "loggers": {
            **{name: {"level": level} for name in OURS},
            "django_structlog": {"level": others},
            # the pool logs every attempt during an outage
            "psycopg.pool": {"level": "WARNING" if debug else "CRITICAL"},
        },
    }


def _readable() -> list[Processor]:
    """Tracebacks without local variables, which may hold secrets and would evaluate query sets."""
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _as_json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
