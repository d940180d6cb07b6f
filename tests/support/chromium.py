"""Headless Chromium by its DevTools protocol, over the pipes that it offers for that.

https://chromedevtools.github.io/devtools-protocol/: JSON objects, a NUL byte behind each.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.once import made_once

__all__ = ["Chromium", "Page", "axe_source", "chromium"]

_AXE = "axe-core@4.14.1"
"""Of npm: https://www.npmjs.com/package/axe-core."""

# It reads from descriptor 3 and writes to 4, whichever the two are here.
_WITH_PIPES = """
import os, sys
high = [os.dup(os.dup(os.dup(int(each)))) for each in sys.argv[1:3]]
assert min(high) > 4
for there, here in zip(high, (3, 4)):
    os.dup2(there, here)
os.execvp(sys.argv[3], sys.argv[3:])
"""

Message = dict[str, Any]


class Chromium:
    """A browser; `chromium` starts it and ends it."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._read = b""
        self.events: list[Message] = []

    def call(self, method: str, session: str | None = None, **parameters: object) -> Message:
        """Send a command and wait for its result; events that come meanwhile are kept.

        Raises:
            RuntimeError: the browser refuses it.
        """
        self._number += 1
        message: Message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._commands, content) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: Message = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, method: str, session: str) -> None:
        """Wait until an event of that kind has come."""
        while not any(
            each.get("method") == method and each.get("sessionId") == session
            for each in self.events
        ):
            self.events.append(self._next())

    def _next(self) -> Message:
        while b"\0" not in self._read:
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise RuntimeError("chromium has ended")
            self._read += part
        line, _, self._read = self._read.partition(b"\0")
        message: Message = json.loads(line)
        return message


class Page:
    """A file of this machine as a browser shows it.

    Attributes:
        problems: what the console and scripts complained of.
        requests: the addresses that were asked for, that of the page itself left out.
    """

    def __init__(self, browser: Chromium, file: Path, *, width: int, dark: bool) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session: str = browser.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        browser.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=file.absolute().as_uri())
        browser.wait_for("Page.loadEventFired", self._session)
        events = [each for each in browser.events if each.get("sessionId") == self._session]
        self.problems = [
            json.dumps(each["params"])
            for each in events
            if each["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
            or (
                each["method"] == "Runtime.consoleAPICalled"
                and each["params"]["type"] in ("error", "warning")
            )
        ]
        self.requests = [
            each["params"]["request"]["url"]
            for each in events
            if each["method"] == "Network.requestWillBeSent"
        ][1:]

    def call(self, method: str, **parameters: object) -> Message:
        """Of this page; see `Chromium.call`."""
        return self._browser.call(method, self._session, **parameters)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression, or what its promise becomes.

        Raises:
            RuntimeError: it throws.
        """
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def violations(self) -> list[str]:
        """What axe-core finds wrong, each with the elements it is wrong with."""
        self.evaluate(axe_source().read_text(encoding="utf-8"))
        found = self.evaluate("axe.run().then(result => result.violations)")
        return [
            f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes'][:5]]}"
            for each in found
        ]

    def screenshot(self) -> bytes:
        """The whole page, PNG."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def printed(self) -> bytes:
        """The page as it is printed, PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A headless browser with a profile of its own, while the block runs."""
    commands_read, commands = os.pipe()
    answers, answers_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [
            *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}"),
            *("--disable-background-networking", "--disable-component-update"),
            "--remote-debugging-pipe",
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", _WITH_PIPES, str(commands_read), str(answers_write), *words],
            pass_fds=(commands_read, answers_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_read)
        os.close(answers_write)
        browser = Chromium(commands, answers)
        try:
            yield browser
        finally:
            try:
                browser.call("Browser.close")
                process.wait(20)
            except (RuntimeError, OSError, subprocess.TimeoutExpired):
                process.kill()
                process.wait()
            os.close(commands)
            os.close(answers)


def axe_source() -> Path:
    """axe-core's script, brought by npm the first time, into a folder outside the repository."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")

    def install(folder: Path) -> None:
        words = ["install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", _AXE]
        subprocess.run(["npm", *words], check=True, timeout=300)

    folder = made_once(cache / "tinyedge-tests" / _AXE.replace("@", "-"), install)
    return folder / "node_modules" / "axe-core" / "axe.min.js"
