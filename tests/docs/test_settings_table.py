"""What the pages say of settings, exit codes and messages is what the code has."""

import re
from typing import get_args

import pytest

from kubeflow import parameters
from modules import presets
from pipelines import errors, settings
from pipelines.data.manifest import Manifest
from pipelines.report.build import ReportDocument
from tests.docs import pages

RUN_LOCALLY = pages.ROOT / "docs" / "run-locally.md"
README = pages.ROOT / "README.md"
KUBEFLOW = pages.ROOT / "docs" / "kubeflow.md"
REPORT = pages.ROOT / "docs" / "report.md"


def _rows(page, heading):
    """The cells of the table after the header row that begins with `heading`."""
    lines = page.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_is_what_the_code_describes():
    blocks = [block for _, block in pages.blocks(RUN_LOCALLY, "settings")]

    assert blocks == [pages.settings_table()], ".venv/bin/python -m tests.docs.pages"


def test_the_keys_of_a_branch_and_their_defaults_are_in_the_table():
    documented = {
        key.strip("`"): default.strip("`") for key, default, _ in _rows(RUN_LOCALLY, "key")
    }
    fields = settings.Branch.model_fields

    assert list(documented) == list(fields)
    for key, field in fields.items():
        if key == "run_fn":
            assert documented[key] == "modules.KIND.run_fn"
        elif field.is_required():
            assert documented[key] == "required"
        else:
            assert documented[key] == str(field.default or "none")


def test_the_branches_known_by_name_are_in_the_table():
    documented = [tuple(c.strip("`") for c in row) for row in _rows(RUN_LOCALLY, "name")]

    assert documented == [
        (b.name, b.kind, b.quantization) for b in settings.PRESET_BRANCHES.values()
    ]


def test_the_parameters_of_a_run_are_in_the_table():
    documented = [(name.strip("`"), d.strip("`")) for name, d, _ in _rows(KUBEFLOW, "parameter")]
    known = [(p.name, p.setting) for p in parameters.PARAMETERS]

    assert documented == [(parameters.DATA_URI, "kubeflow.data"), *known]


def test_the_formats_are_those_that_are_written():
    (report,) = [meaning for key, meaning in _rows(REPORT, "key") if key == "`format`"]

    assert report.startswith(f"{ReportDocument.FORMAT}:")
    assert f"The manifest (format {Manifest.FORMAT})" in RUN_LOCALLY.read_text(encoding="utf-8")


def test_the_presets_are_in_the_table():
    documented = [row[0].strip("`") for row in _rows(RUN_LOCALLY, "preset")]

    choices = get_args(settings.Training.model_fields["preset"].annotation)
    assert [presets.AUTO, *documented] == list(choices)


def test_the_exit_codes_are_in_the_readme():
    documented = [int(code) for code, _ in _rows(README, "code")]
    classes = [errors.TfxMobileError, *errors.TfxMobileError.__subclasses__()]

    assert documented == sorted(
        {0, *(c.exit_code for c in classes if c.__module__ == errors.__name__)}
    )


def _messages():
    for symptom, _ in _rows(RUN_LOCALLY, "symptom"):
        found = re.match(r"`([^`]+)`", symptom)
        # A sentence of ours has words; `serving/` alone is a place.
        if found and " " in found[1]:
            yield found[1]


@pytest.mark.parametrize("message", _messages())
def test_a_message_in_the_troubleshooting_table_is_one_of_ours(message):
    sources = [
        *(f for name in ("cli", "modules", "pipelines") for f in (pages.ROOT / name).rglob("*.py")),
        pages.ROOT / "requirements" / "setup.sh",
    ]
    # Placeholders and the breaks between the parts of a long string match anything.
    words = [re.escape(word) for word in message.split()]
    pattern = re.compile(r"(?:\s+|\s*\"\s*f?\"\s*)".join(words))

    assert any(pattern.search(file.read_text(encoding="utf-8")) for file in sources)
