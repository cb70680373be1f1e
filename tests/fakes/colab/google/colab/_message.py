"""The way from Colab's kernel to the browser. COURSE_BROWSER plays the browser.

It holds the reply in JSON; without it no browser is attached, so that a request waits for its whole
time and gives None. Each request is noted in the file that COURSE_BROWSER_LOG names: when, and for
how many seconds it would wait.
"""

import json
import os
import time


def blocking_request(request_type, request="", timeout_sec=5, parent=None):
    if log := os.environ.get("COURSE_BROWSER_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(json.dumps([request_type, time.time(), timeout_sec]) + "\n")
    if "COURSE_BROWSER" in os.environ:
        return json.loads(os.environ["COURSE_BROWSER"])
    time.sleep(timeout_sec or 3600)  # 0 and None: for ever
    return None
