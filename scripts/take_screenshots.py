#!/usr/bin/env python3
"""Take the pictures of the pages that the README shows, from a demo that runs for it: docs/images/*.png."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--force-color-profile=srgb"]

#: name → page, width, height, colour scheme
PICTURES = {
    "overview": ("/", 1360, 1010, "light"),
    "overview-dark": ("/", 1360, 1010, "dark"),
    "listings": ("/listings?account=laredoute", 1360, 820, "light"),
    "listing": ("/listings/laredoute/{sku}", 1360, 900, "light"),
    "order": ("/orders/laredoute/{order}", 1360, 900, "light"),
    "phone": ("/", 390, 844, "light"),
}


@contextmanager
def demo(folder: Path) -> Iterator[str]:
    """A demo that has shown everything; the address of its pages."""
    log = folder / "demo.log"
    command = [sys.executable, "-m", "daemon", "demo", "--dir", str(folder / "demo")]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    try:
        for _ in range(300):
            found = re.search(r"The pages are at\s+(http://\S+)/", log.read_text("utf-8", "replace"))
            if found:
                yield found[1]
                return
            if process.poll() is not None:
                break
            time.sleep(0.5)
        raise SystemExit(f"the demo did not get to its end:\n{log.read_text('utf-8', 'replace')}")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def take(browser: Browser, base: str, out: Path) -> None:
    """Take every picture of a running daemon."""
    places = _places(browser, base)
    for name, (path, width, height, scheme) in PICTURES.items():
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=1,
        )
        page = context.new_page()
        page.goto(base + path.format(**places))
        page.screenshot(path=out / f"{name}.png")
        context.close()
        sys.stdout.write(f"{out / name}.png\n")


def _places(browser: Browser, base: str) -> dict[str, str]:
    """A listing with an error, and an order, as the demo has them."""
    page = browser.new_page()
    page.goto(f"{base}/listings?account=laredoute&state=error")
    sku = page.locator("td[data-label=SKU] a").first.inner_text()
    page.goto(f"{base}/orders?account=laredoute")
    order = page.locator("td[data-label=order] a").first.inner_text()
    page.close()
    return {"sku": sku, "order": order}


def main() -> None:
    """`scripts/take_screenshots.py [URL [FOLDER]]`: of a daemon that runs there, otherwise of a demo."""
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "images"
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="sellerd-") as folder:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        if len(sys.argv) > 1:
            take(browser, sys.argv[1].rstrip("/"), out)
        else:
            with demo(Path(folder)) as base:
                take(browser, base, out)
        browser.close()


if __name__ == "__main__":
    main()
