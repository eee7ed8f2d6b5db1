"""Headless Chromium through its DevTools protocol: what a page shows, says and asks for."""

import base64
import contextlib
import html
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import websocket

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # A frame in a process of its own would need a session of its own.
    "--disable-features=IsolateSandboxedIframes",
)
_SECONDS = 60.0
_PHONE = 600  # a device that is narrower lays a page out as a phone does
# As kubeflow/pipelines' frontend/src/components/viewers/HTMLViewer.tsx does.
_KFP_UI = """<!DOCTYPE html>
<title>A UI</title>
<body style="margin: 0">
<iframe sandbox="allow-scripts" srcdoc="{page}"
  style="display: block; border: 0; width: {width}px; height: {height}px"></iframe>
"""


def executable() -> str | None:
    """This machine's Chromium."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Page:
    """An open page; where it lies in a frame, the frame."""

    def __init__(self, browser: "Browser", file: Path, size: tuple[int, int], phone: bool) -> None:
        """Loads a file with everything that it asks for."""
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": phone}
        self._call("Emulation.setDeviceMetricsOverride", **screen)
        self._call("Page.navigate", url=file.as_uri())
        browser.wait_for(self._session, "Page.loadEventFired")

    def close(self) -> None:
        """Ends its process."""
        self._call("Page.close")

    def run(self, script: str) -> Any:
        """The value of an expression in the page, or what it promises."""
        tree = self._call("Page.getFrameTree")["frameTree"]
        frame = [*tree.get("childFrames", []), tree][0]["frame"]["id"]
        contexts = (event["context"] for event in self._seen("Runtime.executionContextCreated"))
        newest = [one["id"] for one in contexts if one["auxData"]["frameId"] == frame][-1]
        options = {"contextId": newest, "returnByValue": True, "awaitPromise": True}
        result = self._call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings on the console, and what no script caught."""
        thrown = [event["exceptionDetails"] for event in self._seen("Runtime.exceptionThrown")]
        logged = [event["entry"] for event in self._seen("Log.entryAdded")]
        called = self._seen("Runtime.consoleAPICalled")
        return [
            *(one.get("exception", {}).get("description", one["text"]) for one in thrown),
            *(one["text"] for one in logged if one["level"] in ("error", "warning")),
            *(
                " ".join(str(part.get("value", part.get("description"))) for part in one["args"])
                for one in called
                if one["type"] in ("error", "warning", "assert")
            ),
        ]

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked for; data within a page is none."""
        sent = [event["request"]["url"] for event in self._seen("Network.requestWillBeSent")]
        sockets = [event["url"] for event in self._seen("Network.webSocketCreated")]
        return [url for url in sent + sockets if not url.startswith("data:")]

    def screenshot(self, file: Path) -> None:
        """Writes a PNG of what is to be seen without scrolling."""
        file.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def _seen(self, method: str) -> list[dict[str, Any]]:
        # What happened before this answer has been told before it.
        self._call("Page.getFrameTree")
        return self._browser.events(self._session, method)


class Browser:
    """Starts on entering, leaves nothing behind on leaving."""

    def __enter__(self) -> "Browser":
        self._ids = 0
        self._open: Page | None = None
        self._events: list[dict[str, Any]] = []
        with contextlib.ExitStack() as stack:
            home = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(
                        prefix="tfx-mobile-ui-",
                        # Chromium's own processes may write there for a moment longer.
                        ignore_cleanup_errors=True,
                    )
                )
            )
            self._directory = home
            process = self._start(home)
            stack.callback(_end, process)
            self._socket = websocket.create_connection(
                _address(process, home), timeout=_SECONDS, suppress_origin=True
            )
            stack.callback(self._socket.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self, file: Path, width: int, height: int = 900) -> Page:
        """Opens a file by itself, instead of what was open."""
        return self._show(file, (width, height), phone=width < _PHONE)

    def open_in_kfp_ui(self, text: str, width: int, height: int) -> Page:
        """Opens a page as KFP's UI shows an artifact of HTML, instead of what was open."""
        file = self._directory / "ui.html"
        file.write_text(_KFP_UI.format(page=html.escape(text), width=width, height=height))
        return self._show(file, (width, height), phone=False)

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The answer to one command of the protocol."""
        self._ids += 1
        command = {"id": self._ids, "method": method, "params": parameters}
        self._socket.send(json.dumps(command | ({"sessionId": session} if session else {})))
        while (message := self._next()).get("id") != self._ids:
            pass
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def events(self, session: str, method: str) -> list[dict[str, Any]]:
        """What a session was told of this kind so far."""
        mine = [event for event in self._events if event.get("sessionId") == session]
        return [event["params"] for event in mine if event["method"] == method]

    def wait_for(self, session: str, method: str) -> None:
        """Waits until a session is told of this."""
        while not self.events(session, method):
            self._next()

    def _show(self, file: Path, size: tuple[int, int], phone: bool) -> Page:
        if self._open:
            self._open.close()
        self._open = Page(self, file, size, phone)
        return self._open

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        if "method" in message:
            self._events.append(message)
        return message

    def _start(self, home: Path) -> subprocess.Popen[bytes]:
        with (home / "log").open("wb") as log:
            # Were the tests killed, nobody else would end it.
            command = ["setpriv", "--pdeathsig", "TERM", str(executable()), *_FLAGS]
            return subprocess.Popen([*command, f"--user-data-dir={home}/profile"], stderr=log)


def _address(process: subprocess.Popen[bytes], home: Path) -> str:
    """Where it takes commands."""
    file = home / "profile" / "DevToolsActivePort"
    deadline = time.monotonic() + _SECONDS
    while not file.exists() or len(lines := file.read_text().splitlines()) < 2:
        log = (home / "log").read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"Chromium ended: {log}"
        assert time.monotonic() < deadline, f"Chromium does not answer: {log}"
        time.sleep(0.05)
    port, path = lines[:2]
    return f"ws://127.0.0.1:{port}{path}"


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
