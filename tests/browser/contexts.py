"""Browser contexts that are reused, because a page of a new one fetches and compiles every script again.

That took about half of a test's processor time. Cookies, stored data and pages of a test are removed after it; one empty
page stays open, because the first page of a context costs Chromium a window of its own (a fifth of a new page's time).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from playwright.sync_api import Browser, BrowserContext

Options = frozenset[tuple[str, Any]]
STORED = "local_storage,indexeddb,cache_storage,service_workers"  # not the cache of HTTP


class ReusedContext:
    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self._kept_page = context.new_page()
        self._devtools = context.new_cdp_session(self._kept_page)

    def clear(self, origins: Iterable[str]) -> None:
        # Before the pages close: the last request of a page must not carry a cookie. Its answer comes after the
        # tables were emptied, and Django would delete the cookie of the next test with it.
        self.context.clear_cookies()
        for page in self.context.pages:
            if page != self._kept_page:
                page.close()
        self.context.set_offline(False)
        for origin in origins:
            stored = {"origin": origin, "storageTypes": STORED}
            self._devtools.send("Storage.clearDataForOrigin", stored)


class Contexts:
    """Free contexts of one browser, by the options with which they were created."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: dict[Options, list[ReusedContext]] = defaultdict(list)
        self._taken: list[tuple[Options, ReusedContext]] = []
        self._once: list[BrowserContext] = []

    def take(self, **options: Any) -> BrowserContext:
        if any(
            isinstance(value, list) for value in options.values()
        ):  # permissions: cannot be compared
            self._once.append(self._browser.new_context(**options))
            return self._once[-1]
        key = frozenset(options.items())
        free = self._free[key]
        taken = free.pop() if free else ReusedContext(self._browser.new_context(**options))
        self._taken.append((key, taken))
        return taken.context

    def give_back(self, origins: Iterable[str]) -> None:
        """Clears the contexts that were taken."""
        for key, taken in self._taken:
            taken.clear(origins)
            self._free[key].append(taken)
        for context in self._once:
            context.close()
        self._taken.clear()
        self._once.clear()
