"""The page in a real browser: it fits a phone, runs no script and asks for nothing else."""

import functools
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import threading

import pytest

pytestmark = pytest.mark.e2e

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

# Reports what it sees in the page, which lies in a frame as wide as the device.
FRAME = """<!DOCTYPE html><title>frame</title>
<iframe id="page" src="report.html" style="width: {width}px; height: 800px; border: 0"></iframe>
<pre id="seen"></pre>
<script>
onload = () => {{
  const page = document.getElementById("page").contentDocument;
  const root = page.documentElement;
  document.getElementById("seen").textContent = JSON.stringify({{
    width: root.scrollWidth,
    text: page.body.innerText,
    scripts: page.scripts.length,
    broken: [...page.images].filter((image) => !image.naturalWidth).length,
    smallest: Math.min(...[...page.querySelectorAll("body *")]
      .filter((node) => node.innerText)
      .map((node) => parseFloat(page.defaultView.getComputedStyle(node).fontSize))),
  }});
}};
</script>
"""


class Server(http.server.SimpleHTTPRequestHandler):
    """Notes what is asked for."""

    def __init__(self, *args, asked, **kwargs):
        self.asked = asked
        super().__init__(*args, **kwargs)

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def browse(digits_run, tmp_path):
    """Opens the report of the run on a device of some width."""
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("no Chromium is installed")
    assert CHROMIUM, "CI needs Chromium"
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(digits_run.layout.report_html, site)
    asked: list[str] = []
    handler = functools.partial(Server, directory=str(site), asked=asked)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def open_at(width: int) -> dict:
        (site / "frame.html").write_text(FRAME.format(width=width))
        command = [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,900"),
            *("--virtual-time-budget=5000", "--dump-dom"),
            f"http://127.0.0.1:{server.server_port}/frame.html",
        ]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120)
        match = re.search(r'<pre id="seen">(.+?)</pre>', shown.stdout, re.DOTALL)
        assert match, shown.stderr
        return {**json.loads(html.unescape(match[1])), "asked": set(asked)}

    yield open_at
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("width", [360, 412, 1200])
def test_page_fits(browse, digits_run, width):
    seen = browse(width)
    assert seen["width"] <= width
    assert seen["smallest"] >= 9
    assert seen["broken"] == 0
    assert seen["scripts"] == 0
    assert seen["asked"] <= {"/frame.html", "/report.html", "/favicon.ico"}
    for name, branch in digits_run.report["branches"].items():
        assert name in seen["text"]
        assert f"{branch['accuracy'] * 100:.2f} %" in seen["text"]
