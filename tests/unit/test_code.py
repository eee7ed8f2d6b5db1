"""The fingerprint of the code behind a dotted path."""

import sys
from pathlib import Path

import pytest

from pipelines.code import code_fingerprint


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages and a module that Python finds but has not loaded."""
    for name in ("mine", "yours"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('loaded')\n")
        (tmp_path / name / "model.py").write_text("def run_fn(fn_args): ...\n")
        (tmp_path / name / "inner" / "layers.py").write_text("x = 1\n")
    (tmp_path / "single.py").write_text("def run_fn(fn_args): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_same_code_has_the_same_fingerprint() -> None:
    first = code_fingerprint("mine.model.run_fn")
    assert code_fingerprint("mine.model.run_fn") == first
    assert len(bytes.fromhex(first)) == 32


@pytest.mark.parametrize("file", ["__init__.py", "model.py", "inner/layers.py"])
def test_any_file_of_the_package_counts(packages: Path, file: str) -> None:
    before = code_fingerprint("mine.model.run_fn")
    (packages / "mine" / file).write_text("x = 2\n")
    assert code_fingerprint("mine.model.run_fn") != before


def test_new_removed_and_renamed_files_count(packages: Path) -> None:
    found = {code_fingerprint("mine.model.run_fn")}
    (packages / "mine" / "new.py").write_text("")
    found.add(code_fingerprint("mine.model.run_fn"))
    (packages / "mine" / "new.py").rename(packages / "mine" / "newer.py")
    found.add(code_fingerprint("mine.model.run_fn"))
    (packages / "mine" / "model.py").unlink()
    found.add(code_fingerprint("mine.model.run_fn"))
    assert len(found) == 4


def test_other_packages_and_other_files_do_not_count(packages: Path) -> None:
    before = code_fingerprint("mine.model.run_fn")
    (packages / "yours" / "model.py").write_text("x = 2\n")
    (packages / "single.py").write_text("x = 2\n")
    (packages / "mine" / "notes.md").write_text("mine")
    (packages / "mine" / "__pycache__").mkdir()
    (packages / "mine" / "__pycache__" / "model.cpython-310.pyc").write_bytes(b"bytes")
    assert code_fingerprint("mine.model.run_fn") == before


def test_place_of_the_package_does_not_count(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_fingerprint("mine.model.run_fn")
    (tmp_path / "elsewhere").mkdir()
    (packages / "mine").rename(tmp_path / "elsewhere" / "mine")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    assert code_fingerprint("mine.model.run_fn") == before


def test_module_without_a_package(packages: Path) -> None:
    before = code_fingerprint("single.run_fn")
    (packages / "mine" / "model.py").write_text("x = 2\n")
    assert code_fingerprint("single.run_fn") == before
    (packages / "single.py").write_text("x = 2\n")
    assert code_fingerprint("single.run_fn") != before


def test_nothing_is_loaded() -> None:
    code_fingerprint("mine.model.run_fn")
    assert "mine" not in sys.modules


def test_versions_of_the_libraries_count(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    before = code_fingerprint("mine.model.run_fn")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99")
    assert code_fingerprint("mine.model.run_fn") != before


def test_linked_folders_count(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "layers.py").write_text("x = 1\n")
    (packages / "mine" / "linked").symlink_to(tmp_path / "shared")
    (packages / "mine" / "again").symlink_to(packages / "mine")
    before = code_fingerprint("mine.model.run_fn")
    (tmp_path / "shared" / "layers.py").write_text("x = 2\n")
    assert code_fingerprint("mine.model.run_fn") != before


def test_several_packages_count_in_any_order(packages: Path) -> None:
    both = code_fingerprint("mine.model.run_fn", "yours")
    assert both == code_fingerprint("yours", "mine.model.run_fn")
    assert both not in {code_fingerprint("mine"), code_fingerprint("yours")}
    (packages / "yours" / "model.py").write_text("x = 2\n")
    assert code_fingerprint("mine.model.run_fn", "yours") != both


def test_the_reports_template_counts(packages: Path) -> None:
    (packages / "mine" / "page.html.j2").write_text("<p>1</p>")
    before = code_fingerprint("mine")
    (packages / "mine" / "page.html.j2").write_text("<p>2</p>")
    assert code_fingerprint("mine") != before


def test_unknown_module() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"missing\.model"):
        code_fingerprint("missing.model.run_fn")


def test_our_own_modules() -> None:
    lite, keras = (code_fingerprint(f"modules.{kind}.run_fn") for kind in ("lite", "keras"))
    assert lite == keras
    assert lite != code_fingerprint("pipelines.code.code_fingerprint")
