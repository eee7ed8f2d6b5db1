"""The shape of the code: who may import whom, and that everything public is explained."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("modules", "pipelines", "kubeflow", "cli")
"""Each may import from those before it."""

FILES = sorted(f for layer in LAYERS for f in (ROOT / layer).rglob("*.py"))
NAMES = [str(f.relative_to(ROOT)) for f in FILES]


def imported(tree: ast.AST, file: Path) -> Iterator[str]:
    """Full names of everything a file imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.relative_to(ROOT).parent.parts
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*start, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def tops(file: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(ast.parse(file.read_text()), file)}


def test_the_code_was_found() -> None:
    found = {Path(name).parts[0] for name in NAMES}
    assert found == set(LAYERS)
    assert "pipelines/settings.py" in NAMES


@pytest.mark.parametrize(("file", "name"), zip(FILES, NAMES, strict=True), ids=NAMES)
def test_imports_point_one_way(file: Path, name: str) -> None:
    above = LAYERS[LAYERS.index(Path(name).parts[0]) + 1 :]
    assert tops(file).isdisjoint({*above, "tests", "benchmarks", "docker"})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import cli.main", {"cli"}),
        ("from cli import main", {"cli"}),
        ("def f():\n    from cli.main import main", {"cli"}),
        ("import modules.lite as x, os", {"modules", "os"}),
        ("from .. import dag", {"pipelines"}),
        ("from . import names", {"pipelines"}),
    ],
)
def test_the_check_sees_every_kind_of_import(source: str, expected: set[str]) -> None:
    file = ROOT / "pipelines" / "components" / "made_up.py"
    assert {name.split(".")[0] for name in imported(ast.parse(source), file)} == expected


HEAVY = {"kubeflow/compiler/tfx_spec.py"}
LIGHT = [
    *[name for name in NAMES if name.startswith("cli/")],
    *[name for name in NAMES if name.startswith("kubeflow/") and name not in HEAVY],
    *[
        f"pipelines/{name}.py"
        for name in (
            *("diagnosis", "errors", "leftovers", "local/events", "local/supervisor"),
            *("pushing/records", "settings", "stack", "walk"),
        )
    ],
]
"""What `--help`, the person's side of a run, and the adapter before its executor load."""


@pytest.mark.parametrize("name", LIGHT)
def test_nothing_heavy_at_the_top_of_a_light_file(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text())
    top = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
    names = {name.split(".")[0] for name in imported(top, ROOT / name)}
    assert names.isdisjoint({"tensorflow", "tfx", "apache_beam", "numpy", "sklearn", "modules"})


def public(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The module, its public classes and functions, and the public methods of those classes."""
    yield "the module", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node


@pytest.mark.parametrize(("file", "name"), zip(FILES, NAMES, strict=True), ids=NAMES)
def test_everything_public_has_a_docstring(file: Path, name: str) -> None:
    bare = [
        what
        for what, node in public(ast.parse(file.read_text()))
        if not (ast.get_docstring(node) or "").strip()  # type: ignore[arg-type]
    ]
    assert bare == []


def test_packages_say_what_they_are() -> None:
    for layer in LAYERS:
        for directory in {f.parent for f in FILES if f.is_relative_to(ROOT / layer)}:
            assert (directory / "__init__.py").is_file(), directory
