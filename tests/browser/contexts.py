"""Browser contexts that are reused, because a page of a new one fetches and compiles every script again.

That took about half of a test's processor time. Cookies, stored data and pages of a test are removed after it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from playwright.sync_api import Browser, BrowserContext

Options = frozenset[tuple[str, Any]]
STORED = "local_storage,indexeddb,cache_storage,service_workers"  # not the cache of HTTP


class Contexts:
    """Free contexts of one browser, by the options with which they were created."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[Options, list[BrowserContext]] = defaultdict(list)
        self._taken: list[tuple[Options, BrowserContext]] = []

    def take(self, **options: Any) -> BrowserContext:
        if any(isinstance(value, list) for value in options.values()):  # permissions
            key: Options = frozenset()
            context = self._browser.new_context(**options)
        else:
            key = frozenset(options.items())
            free = self._free[key]
            context = free.pop() if free else self._browser.new_context(**options)
        self._taken.append((key, context))
        return context

    def give_back(self, origins: Iterable[str]) -> None:
        """Clears the contexts that were taken, or closes those with options that cannot be compared."""
        for key, context in self._taken:
            if key:
                _clear(context, origins)
                self._free[key].append(context)
            else:
                context.close()
        self._taken.clear()


def _clear(context: BrowserContext, origins: Iterable[str]) -> None:
    for page in context.pages:
        page.close()
    context.set_offline(False)
    context.clear_cookies()
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    for origin in origins:
        devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": STORED})
    page.close()
