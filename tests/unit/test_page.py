"""The report's page and the table on the terminal."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from rich.console import Console

from pipelines.judging import assembly, page
from pipelines.judging.numbers import format_size, format_value
from pipelines.judging.regression import plot
from pipelines.report import table
from tests.unit.report_data import (
    UNTRUSTED,
    WINE,
    branch,
    comparison,
    photos,
    regression_report,
    report,
)


class Page(HTMLParser):
    """Tags with their attributes, in order, and the text between them."""

    VOID = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += f"{data.strip()}\n" if data.strip() else ""


def test_page_is_whole() -> None:
    html = page.render(report())
    assert html.startswith("<!DOCTYPE html>")
    assert Page(html).open == []


@pytest.mark.parametrize("disagreements", [0, 2, 100])
def test_page_needs_nothing_else(disagreements: int) -> None:
    html = page.render(report(disagreements))
    assert not re.search(r"https?:", html)
    assert not re.search(r"@import|url\(", html)
    parsed = Page(html)
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"script", "link", "iframe", "object"})
    for _, attributes in parsed.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert "href" not in attributes
        if "src" in attributes:
            assert (attributes["src"] or "").startswith("data:image/png;base64,iVBOR")


def test_page_fits_a_phone() -> None:
    tags = Page(page.render(report())).tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in tags
    assert ("meta", {"charset": "utf-8"}) in tags


def test_page_shows_every_figure() -> None:
    text = Page(page.render(report())).text
    for figure in (
        "97.12 %",
        "96.34 %",
        "-0.0078 [-0.0201, +0.0045]",
        "98.73 %",
        "0.0312",
        "0.2871",
        "0.0123",
        "222 kB",
        "1.2 MB",
        "12 µs",
        "1,438",
        "1,359",
        "1.16.0",
        "2.16.2",
        "3.10.13",
        "legacy",
        "f" * 64,
        "/out/pipeline/evaluator-lite/evaluation/7",
        "/out/serving/lite/1700000000",
        "2.5",
        "cached",
        "preset\nmlp",
        "steps\n4321",
        "batch size\n48",
        "seed\n17",
        "lowest accuracy to pass\n0.8",
        "2026-11-27 03:10 UTC",
        "Small Processor 3000, 2 cores",
        "2026-11-27T03:10:00+00:00",
        "9\n1,439\n135",
    ):
        assert figure in text, figure


def test_page_has_each_branch_with_its_outcome() -> None:
    shown = report(
        blessed=False,
        refusals=["accuracy is 0.7, 0.1 below 0.8"],
        pushed="refused",
        pushed_uri=None,
    )
    text = Page(page.render(shown)).text
    assert "keras\nblessed" in text
    assert "lite\nrefused" in text
    assert "accuracy is 0.7, 0.1 below 0.8" in text
    assert "pushed to /out/serving/keras/" in text
    assert "pushed to /out/serving/lite/" not in text


def test_warnings_and_operators_are_shown() -> None:
    shown = report(operators=7, delegated=4, warnings=["TFLite's slower kernels run CUMSUM"])
    text = Page(page.render(shown)).text
    assert text.count("operators on XNNPACK") == 1
    assert "operators on XNNPACK\n4 of 7" in text
    assert "TFLite's slower kernels run CUMSUM" in text
    assert "lite\nblessed" in text
    assert shown_table(shown).splitlines()[-1] == "lite: TFLite's slower kernels run CUMSUM"


def test_text_from_elsewhere_is_escaped() -> None:
    untrusted = [UNTRUSTED]
    shown = report(blessed=False, refusals=untrusted, warnings=untrusted, evaluation_uri=UNTRUSTED)
    shown["dataset"]["source"] = UNTRUSTED
    html = page.render(shown)
    assert "<script" not in html
    assert "&lt;script&gt;alert" in html
    assert Page(html).text.count(UNTRUSTED) >= 4


def test_class_without_examples_is_none() -> None:
    text = Page(page.render(report(task=WINE))).text
    rows = text[text.index("Accuracy by class") : text.index("Confusion matrices")].split("\n")
    assert rows[rows.index("first") :][:3] == ["first", "none", "none"]
    assert rows[rows.index("second") :][:3] == ["second", "0.9535", "0.9535"]
    assert rows[rows.index("third") :][:3] == ["third", "1.0000", "1.0000"]


def test_confusion_matrices_hold_the_counts() -> None:
    text = Page(page.render(report())).text
    matrices = text[text.index("Confusion matrices") : text.index("Where lite differs")]
    assert matrices.count("41") == matrices.count("37") == 2


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (60, 60), (61, 60), (500, 60)])
def test_disagreeing_images_are_counted_and_capped(count: int, shown: int) -> None:
    parsed = Page(page.render(report(count)))
    assert sum(tag == "img" for tag, _ in parsed.tags) == shown
    assert f"{count} of 1,359 examples" in parsed.text
    assert ("the first 60" in parsed.text) == (count > 60)
    assert "#1000: 7\nkeras\n7\n,\nlite\n6" in parsed.text


def test_every_image_says_what_it_is() -> None:
    images = [a for tag, a in Page(page.render(report())).tags if tag == "img"]
    assert [a["alt"] for a in images] == ["example 1000", "example 1001"]


def test_no_disagreement_is_said() -> None:
    parsed = Page(page.render(report(0)))
    assert "Nowhere: both predict the same class" in parsed.text
    assert all(tag != "img" for tag, _ in parsed.tags)


def test_keras_alone() -> None:
    alone = report()
    del alone["branches"]["lite"], alone["comparison"]["lite"]
    assert "97.12 %" in Page(page.render(alone)).text
    assert "0.9712" in shown_table(alone)


def test_any_number_of_branches() -> None:
    many = report()
    for name in ("lite-int8", "lite-float16"):
        many["branches"][name] = branch("lite", 0.95)
        many["comparison"][name] = many["comparison"]["lite"]
    text = Page(page.render(many)).text
    assert "Where lite-int8 differs from keras" in text
    assert text.index("Where lite differs") < text.index("Where lite-float16 differs")
    assert shown_table(many).count("0.9500") == 2


def shown_table(shown: dict, width: int = 120) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table.render(shown))
    return console.export_text()


def test_table() -> None:
    shown = report(blessed=False, pushed="refused", pushed_uri=None)
    header, keras, lite, caption = shown_table(shown).splitlines()
    assert header.split() == ["branch", "accuracy", "delta", "[95", "%", "CI]", "agree", "size",
                              "p50", "pushed"]  # fmt: skip
    assert keras.split() == ["keras", "0.9712", "baseline", "1.2", "MB", "12", "µs", "yes"]
    assert lite.split() == ["lite", "0.9634", "-0.0078", "[-0.0201,", "+0.0045]", "98.7%", "222",
                            "kB", "12", "µs", "refused"]  # fmt: skip
    assert caption.startswith("digits: trained on 1,438, judged on 1,359 examples")


def test_table_fits_80_columns() -> None:
    lines = shown_table(report(), width=80).splitlines()
    assert len(lines[1:3]) == 2
    assert "…" not in "".join(lines[:3])
    assert lines[1].split()[0] == "keras"
    assert lines[2].split()[0] == "lite"


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 kB"), (58_340, "58 kB"), (999_499, "999 kB"), (1_000_000, "1.0 MB"), (5e7, "50.0 MB")],
)
def test_size(count: int, expected: str) -> None:
    assert format_size(count) == expected


@pytest.mark.parametrize(
    ("state", "cell", "sentence"),
    [
        ("earlier", "by an earlier run", "pushed by an earlier run"),
        ("removed", "removed", "pushed and removed since"),
        ("no", "no", ""),
    ],
)
def test_a_model_that_is_not_at_its_place_says_why(state: str, cell: str, sentence: str) -> None:
    shown = report(pushed=state, pushed_uri=None)
    assert shown_table(shown).splitlines()[2].endswith(f" {cell}")
    text = Page(page.render(shown)).text
    (line,) = (line for line in text.split("\n") if line.startswith("lite: evaluation"))
    assert line == ", ".join(
        part
        for part in ("lite: evaluation /out/pipeline/evaluator-lite/evaluation/7", sentence)
        if part
    )


def test_anomalies_are_shown() -> None:
    shown = report()
    shown["anomalies"] = [
        {"split": "eval", "feature": "image_class", "description": "Unexpected value 11"},
        {"split": "train", "feature": "", "description": "Too few examples"},
    ]
    text = Page(page.render(shown)).text
    assert "Anomaly in the eval split, image_class: Unexpected value 11" in text
    assert "Anomaly in the train split: Too few examples" in text
    assert "Anomaly" not in Page(page.render(report())).text


def test_page_of_a_comparison_before_anything_is_pushed() -> None:
    """As the UI of Kubeflow Pipelines shows it, in a frame that loads nothing else."""
    html = page.render(assembly.assemble(comparison()), with_places=False)

    assert "trained on 1,438, judged on 1,359 examples" in html
    assert "pushed" not in Page(html).text
    assert "/evaluation" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "<script" not in html


def test_a_loss_that_is_no_number() -> None:
    shown = assembly.assemble(comparison(report(loss="NaN", calibration_error="Infinity")))
    text = Page(page.render(shown)).text
    assert re.search(r"loss\s+NaN\n", text)
    assert re.search(r"calibration error\s+Infinity\n", text)
    console = Console(width=100, record=True)
    console.print(table.render(shown))


def test_differing_rows_of_a_table_show_their_features() -> None:
    parsed = Page(page.render(report(task=WINE)))
    assert all(tag != "img" for tag, _ in parsed.tags)
    start = parsed.text.index("Where lite differs from keras")
    rows = parsed.text[start : parsed.text.index("The run")].split("\n")
    assert rows[rows.index("example") :][:9] == [
        *("example", "true", "keras", "lite"),
        *("alcohol", "malic_acid", "ash", "magnesium", "proline"),
    ]
    assert rows[rows.index("#1000") :][:5] == ["#1000", "second", "second", "first", "12.345"]


def test_names_of_classes_are_escaped() -> None:
    html = page.render(report(task=photos(["cat", UNTRUSTED, "dog"])))
    assert "<script" not in html
    assert Page(html).text.count(UNTRUSTED) >= 6


@pytest.mark.parametrize(("count", "has_matrix"), [(20, True), (100, True), (101, False)])
def test_many_classes(count: int, has_matrix: bool) -> None:
    names = [f"class {i}" for i in range(count)]
    html = page.render(report(task=photos(names)))
    text = Page(html).text
    assert ("Confusion matrices" in text) == has_matrix
    start = text.index("Most frequent confusions")
    found = text[start : text.index("Where lite differs")].split("\n")
    assert found[found.index("class 1") :][:3] == ["class 1", "class 2", "2"]
    assert len(html) < 500_000


def test_a_thousand_classes_take_less_than_a_megabyte() -> None:
    names = [f"class {i}" for i in range(1000)]
    full = report(task=photos(names), confusion=[[7] * 1000] * 1000)
    assert len(page.render(full)) < 1_000_000


def test_a_regression_shows_every_figure() -> None:
    text = Page(page.render(regression_report())).text
    for figure in (
        "43.25\npoints",
        "43.5\npoints",
        "+0.25 [-0.1212, +0.6212] against keras",
        "root mean squared error\n53.912",
        "R²\n0.4712",
        "loss (mean squared error)\n2906.5",
        "mean difference\n-1.5",
        "largest difference\n12.75",
        "largest error to pass\n50",
        "500 of 1,359 examples, at even steps",
        "#0\n151\n140.25\n153\n12.345",
        "predicted (points)",
    ):
        assert figure in text, figure
    assert "class" not in text


def test_a_regression_without_a_bound_passes_any_error() -> None:
    shown = regression_report()
    shown["settings"]["evaluation"]["max_error"] = 0.0
    assert "largest error to pass\nany" in Page(page.render(shown)).text


def test_a_regression_that_predicts_no_numbers() -> None:
    lost = {"mean_absolute_error": "NaN", "r2": "NaN", "loss": "NaN"}
    shown = regression_report(sample=[[1.0, "NaN"], [2.0, 2.5]], **lost)
    shown["comparison"]["lite"] |= {"error_delta": "NaN", "ci95": ["NaN", "NaN"]}
    parsed = assembly.assemble(comparison(shown))
    text = Page(page.render(parsed)).text
    assert "1 of these predictions are no numbers" in text
    assert "NaN [NaN, NaN] against keras" in text
    assert "NaN" in shown_table(shown)


def test_table_of_a_regression() -> None:
    header, keras, lite, _ = shown_table(regression_report()).splitlines()
    assert header.split() == ["branch", "MAE", "delta", "[95", "%", "CI]", "R²", "size", "p50",
                              "pushed"]  # fmt: skip
    assert keras.split()[:4] == ["keras", "43.25", "baseline", "0.4712"]
    assert lite.split()[:5] == ["lite", "43.5", "+0.25", "[-0.1212,", "+0.6212]"]


@pytest.mark.parametrize(
    ("sample", "texts", "points"),
    [
        ([(25, 40), (346, 300)], ["0", "100", "200", "300", "400"], [(0.0625, 0.1), (0.865, 0.75)]),
        ([(-0.5, 0.5)], ["-0.6", "-0.4", "-0.2", "0", "0.2", "0.4", "0.6"], [(0.0833, 0.9167)]),
        ([(7, 7)], ["0", "10"], [(0.7, 0.7)]),
        ([(0, 0)], ["0", "1"], [(0, 0)]),
        ([(1, float("inf"))], ["0", "1"], []),
        ([(2e6, 3e6)], ["2,000,000", "2,200,000", "2,400,000", "2,600,000", "2,800,000",
                        "3,000,000"], [(0, 1)]),
    ],
)  # fmt: skip
def test_axes_have_round_ticks(sample: list, texts: list[str], points: list) -> None:
    made = plot.lay_out(sample)
    assert [tick.text for tick in made.ticks] == texts
    assert [tick.place for tick in made.ticks][:: len(texts) - 1] == [0, 1]
    assert made.points == points
    assert made.left_out == len(sample) - len(points)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"),
        (61.20001, "61.2"),
        (99_999.4, "99999"),
        (123_456.7, "123,457"),
        (1e12, "1e+12"),
        (-1.5e-7, "-1.5e-07"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_values_of_any_magnitude(value: float, expected: str) -> None:
    assert format_value(value) == expected


def test_reading_and_showing_a_report_loads_nothing_heavy() -> None:
    """Commands that show reports answer at once."""
    script = (
        "import sys, pipelines.judging.comparison, pipelines.judging.page, pipelines.report.table\n"
        "print(sorted({'numpy', 'scipy', 'tensorflow', 'tfx', 'PIL'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert shown.stdout == "[]\n"
