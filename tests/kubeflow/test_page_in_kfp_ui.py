"""The comparison's page where KFP's UI shows it: a frame that may run scripts and nothing else."""

from pathlib import Path

import pytest
from PIL import Image

from pipelines.judging import assembly, page
from tests.browser import Browser, Page
from tests.unit import report_data

# In KFP 2.17's UI, 1500 by 1000: the panel as measured, the dialog by its style sheet.
PANEL = (477, 600)
DIALOG = (1120, 700)

SIDEWAYS = """
[document.documentElement, ...document.querySelectorAll("body *")]
  .filter((node) => node.scrollWidth > node.clientWidth && node.clientWidth)
  .filter((node) => node === document.documentElement
    || ["auto", "scroll"].includes(getComputedStyle(node).overflowX))
  .map((node) => `${node.tagName} is ${node.scrollWidth} wide in ${node.clientWidth}`)
"""
BROKEN = """
Promise.all([...document.images].map((image) => image.decode().then(() => "", () => image.alt)))
  .then((images) => images.filter(Boolean).map((image) => `${image} cannot be decoded`))
"""
MATRICES = """
[...document.querySelectorAll(".matrix")].map((matrix) => [...matrix.rows].slice(1)
  .map((row) => [...row.cells].slice(1).map((cell) => Number(cell.innerText))))
"""
# What the frame's own document may do.
REACHED = """
Object.fromEntries(Object.entries({
  storage: () => localStorage.length,
  cookies: () => document.cookie,
  parent: () => parent.document.title,
}).map(([name, reach]) => {
  try { return [name, String(reach())]; } catch (error) { return [name, error.name]; }
}))
"""


# A matrix of another branch's, so that each has to be its own.
REPORT = report_data.report(
    disagreements=12, confusion=[[3 * i + j for j in range(10)] for i in range(10)]
)


@pytest.fixture(scope="module")
def comparison() -> str:
    """What the comparison's task writes as `system.HTML`."""
    return page.render(assembly.assemble(report_data.comparison(REPORT)), with_places=False)


def faults(shown: Page) -> list[str]:
    """What the UI's user or administrator would mind."""
    wrong = shown.run(BROKEN) + shown.run(SIDEWAYS) + shown.complaints
    _, *others = shown.requests
    return wrong + [f"asks for {url}" for url in others]


@pytest.mark.parametrize("size", [PANEL, DIALOG], ids=["panel", "dialog"])
def test_page_is_whole_and_quiet(
    browser: Browser,
    comparison: str,
    artifacts: Path,
    size: tuple[int, int],
    request: pytest.FixtureRequest,
) -> None:
    shown = browser.open_in_kfp_ui(comparison, *size)
    screenshot = artifacts / f"kfp-ui-{request.node.callspec.id}.png"
    shown.screenshot(screenshot)

    assert faults(shown) == []
    assert [shown.run("innerWidth"), shown.run("innerHeight")] == [*size]
    text = shown.run("document.body.innerText")
    assert "97.12 %" in text
    assert "96.34 %" in text
    assert shown.run(MATRICES) == [one["confusion"] for one in REPORT["branches"].values()]
    assert shown.run("[...document.images].map((image) => image.naturalWidth)") == [28] * 12
    with Image.open(screenshot) as image:
        # Text on a page, not one colour.
        assert len(image.convert("L").getcolors()) > 50


def test_scripts_run_and_reach_nothing(browser: Browser, comparison: str) -> None:
    script = '<script>document.body.prepend("it ran")</script>'
    shown = browser.open_in_kfp_ui(with_(comparison, script), *PANEL)

    assert shown.run("document.body.innerText").startswith("it ran")
    assert shown.run("origin") == "null"
    refused = dict.fromkeys(("storage", "cookies", "parent"), "SecurityError")
    assert shown.run(REACHED) == refused
    assert faults(shown) == []


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("<script>throw new Error('on its own')</script>", "Error: on its own"),
        ("<script>localStorage.getItem('key')</script>", "Failed to read the 'localStorage'"),
        ("<script>Promise.reject(new Error('later'))</script>", "Error: later"),
        ("<script>console.warn('beware')</script>", "beware"),
        ("<script>fetch('https://site.invalid/data')</script>", "asks for https://site.invalid/da"),
        ("<script>new WebSocket('wss://site.invalid')</script>", "asks for wss://site.invalid"),
        ("<link rel=stylesheet href=//site.invalid/style.css>", "site.invalid/style.css"),
        ("<img src=picture.png alt='one beside it'>", "/picture.png"),
        ("<img src='data:image/png;base64,iVBORw0K' alt='torn'>", "torn cannot be decoded"),
        ("<div style='width: 500px'>wide</div>", "HTML is 5"),
        ("<div class=scroll><p style='width: 500px'>wide</p></div>", "DIV is 500 wide in 4"),
    ],
)
def test_a_fault_is_seen(browser: Browser, comparison: str, added: str, fault: str) -> None:
    shown = browser.open_in_kfp_ui(with_(comparison, added), *PANEL)

    assert fault in "\n".join(faults(shown))


def with_(text: str, added: str) -> str:
    """The page with something more at its end."""
    return text.replace("</body>", f"{added}</body>")
