"""This machine's own Chromium or Chrome, for the tests that look at a page; none is downloaded."""

import os
import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def path() -> str | None:
    """$CHROMIUM, or the first of `NAMES` on the PATH; None without one."""
    named = [os.environ.get("CHROMIUM", ""), *NAMES]
    return next(filter(None, map(shutil.which, named)), None)


@contextmanager
def launched():
    """The browser at `path` as playwright's, headless; without one the test fails with a sentence."""
    if path() is None:
        pytest.fail(
            "There is no Chromium on the PATH: install it (apt install chromium), or add "
            "CHROMIUM=/path/to/it to the command",
            pytrace=False,
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path(), args=flags)
        yield browser
        browser.close()
