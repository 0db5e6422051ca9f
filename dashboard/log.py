"""Logging: one readable line an event on the console."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import Processor

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    structlog.processors.StackInfoRenderer(),
]


class OneLine(logging.Filter):
    """An answer that refuses a request is no fault of ours: its traceback says nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = record.exc_text = None
        return True


def logging_config(*, debug: bool) -> dict[str, Any]:
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
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "readable": {
                "()": structlog.stdlib.ProcessorFormatter,
                # plain: with the locals of each frame it would print secrets and evaluate query sets
                "processor": structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(),
                    exception_formatter=structlog.dev.plain_traceback,
                ),
                "foreign_pre_chain": SHARED,
            }
        },
        "filters": {"one_line": {"()": OneLine}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "readable",
                "filters": ["one_line"],
            }
        },
        "root": {"handlers": ["console"], "level": "INFO" if debug else "WARNING"},
        "loggers": {
            name: {"level": level}
            for name, level in {
                "agent_sessions": "INFO",
                "sessions_app": "INFO",
                "dashboard": "INFO",
                "django_structlog": "INFO" if debug else "WARNING",
                "psycopg.pool": "WARNING" if debug else "CRITICAL",  # each attempt of an outage
                "django.server": "INFO",
            }.items()
        },
    }
