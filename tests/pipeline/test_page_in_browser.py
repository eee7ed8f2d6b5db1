"""A run's pages in a real browser: they fit a phone, run no script and ask for nothing else."""

import pytest

pytestmark = pytest.mark.e2e

LOOK = """({
  width: document.documentElement.scrollWidth,
  text: document.body.innerText,
  scripts: document.scripts.length,
  broken: [...document.images].filter((image) => !image.naturalWidth).length,
  smallest: Math.min(...[...document.querySelectorAll("body *")]
    .filter((node) => node.innerText)
    .map((node) => parseFloat(getComputedStyle(node).fontSize))),
})"""


def check(shown, width, report):
    seen = shown.run(LOOK)
    assert seen["width"] <= width
    assert seen["smallest"] >= 9
    assert seen["broken"] == 0
    assert seen["scripts"] == 0
    assert shown.complaints == []
    # The page itself.
    assert len(shown.requests) == 1
    for name, branch in report["branches"].items():
        assert name in seen["text"]
        assert f"{branch['accuracy'] * 100:.2f} %" in seen["text"]


@pytest.mark.parametrize("width", [360, 412, 1200])
def test_page_fits(browser, digits_run, width):
    check(browser.open(digits_run.layout.report_html, width), width, digits_run.report)


def test_page_of_the_comparison_fits_the_panel_of_kfp(browser, digits_run):
    (written,) = digits_run.artifact("comparison", "page").iterdir()
    check(browser.open_in_kfp_ui(written.read_text(), 477, 600), 477, digits_run.report)
