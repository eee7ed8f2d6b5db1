"""Pages in a real browser: they fit a phone, run no script and ask for nothing else."""

import pytest

from pipelines.judging import assembly, page
from tests.unit import report_data
from tests.unit.report_data import WINE, photos

pytestmark = pytest.mark.e2e

LOOK = """({
  width: document.documentElement.scrollWidth,
  text: document.body.innerText,
  scripts: document.scripts.length,
  broken: [...document.images].filter((image) => !image.naturalWidth).length,
  smallest: Math.min(...[...document.querySelectorAll("body *")]
    .filter((node) => node.innerText)
    .map((node) => parseFloat(getComputedStyle(node).fontSize))),
  beyond: [...document.querySelectorAll("body *")]
    .filter((node) => !node.closest(".scroll"))
    .filter((node) => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map((node) => node.outerHTML.slice(0, 80)),
  narrow: [...document.querySelectorAll(".matrix td, .matrix th")]
    .filter((node) => node.scrollWidth > node.clientWidth + 1)
    .map((node) => node.innerText),
})"""
WIDTHS = (360, 412, 1200)

FORTY = [f"{colour} {flower}" for colour in ("red", "wild", "alpine", "spotted-leaf", "sea")
         for flower in ("dandelion", "rose", "tulip", "sunflower", "orchid", "lily", "iris",
                        "chrysanthemum")]  # fmt: skip
PAGES = {
    "digits": report_data.report(70, confusion=[[1234] * 10] * 10),
    "three classes of a table": report_data.report(task=WINE),
    "forty classes": report_data.report(
        8, photos(FORTY), confusion=[[(i * j) % 1000 for j in range(40)] for i in range(40)]
    ),
    "colour pictures": report_data.report(8, photos(["china", "flower", "neither of both"])),
    "regression": report_data.regression_report(20),
}


def check(shown, width, report):
    seen = shown.run(LOOK)
    assert seen["width"] <= width
    assert seen["beyond"] == []
    assert seen["narrow"] == []
    assert seen["smallest"] >= 9
    assert seen["broken"] == 0
    assert seen["scripts"] == 0
    assert shown.complaints == []
    # The page itself.
    assert len(shown.requests) == 1
    for name, branch in report["branches"].items():
        assert name in seen["text"]
        if "accuracy" in branch:
            assert f"{branch['accuracy'] * 100:.2f} %" in seen["text"]
        else:
            assert f"{branch['mean_absolute_error']:g} points" in seen["text"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_of_any_task_fits(browser, tmp_path, name, width):
    report = assembly.assemble(report_data.comparison(PAGES[name]))
    file = tmp_path / "report.html"
    file.write_text(page.render(report), encoding="utf-8")
    check(browser.open(file, width), width, report)


@pytest.mark.parametrize("width", WIDTHS)
def test_page_fits(browser, digits_run, width):
    check(browser.open(digits_run.layout.report_html, width), width, digits_run.report)


def test_page_of_the_comparison_fits_the_panel_of_kfp(browser, digits_run):
    (written,) = digits_run.artifact("comparison", "page").iterdir()
    check(browser.open_in_kfp_ui(written.read_text(), 477, 600), 477, digits_run.report)
