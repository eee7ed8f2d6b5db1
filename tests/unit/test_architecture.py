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


def find_texts_in_the_locale(tree: ast.AST) -> list[int]:
    """Lines that open a text file or a pipe in the locale's encoding."""
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        owner = getattr(getattr(node.func, "value", None), "id", "")
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        is_method = name == "open" and isinstance(node.func, ast.Attribute)
        opens_bytes = (owner, name) in {("gzip", "open"), ("Image", "open"), ("os", "open")}
        if name in ("open", "fdopen") and not opens_bytes:
            modes = [given["mode"]] if "mode" in given else node.args[0 if is_method else 1 :][:1]
            is_text = "b" not in (ast.literal_eval(modes[0]) if modes else "r")
        else:
            is_text = name in ("read_text", "write_text") and owner != "files"
        if (is_text or {"text", "universal_newlines"} & given.keys()) and "encoding" not in given:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize(("file", "name"), zip(FILES, NAMES, strict=True), ids=NAMES)
def test_texts_are_utf8_whatever_the_locale(file: Path, name: str) -> None:
    assert find_texts_in_the_locale(ast.parse(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "is_in_the_locale"),
    [
        ("open(f)", True),
        ("open(f, 'w')", True),
        ("open(f, 'rb')", False),
        ("open(f, encoding='utf-8')", False),
        ("f.open()", True),
        ("f.open('wb')", False),
        ("f.open(mode='wb')", False),
        ("os.fdopen(3, 'w')", True),
        ("os.fdopen(3, 'w', encoding='utf-8')", False),
        ("Path(f).read_text()", True),
        ("f.write_text('')", True),
        ("f.read_text(encoding='utf-8')", False),
        ("files.read_text(f, 'a file')", False),
        ("Image.open(f)", False),
        ("subprocess.run(c, text=True)", True),
        ("subprocess.run(c, text=True, encoding='utf-8')", False),
    ],
)
def test_the_check_sees_every_way_to_open_a_text(source: str, is_in_the_locale: bool) -> None:
    assert bool(find_texts_in_the_locale(ast.parse(source))) == is_in_the_locale


def test_the_code_was_found() -> None:
    found = {Path(name).parts[0] for name in NAMES}
    assert found == set(LAYERS)
    assert "pipelines/settings.py" in NAMES


@pytest.mark.parametrize(("file", "name"), zip(FILES, NAMES, strict=True), ids=NAMES)
def test_imports_point_one_way(file: Path, name: str) -> None:
    above = LAYERS[LAYERS.index(Path(name).parts[0]) + 1 :]
    assert tops(file).isdisjoint({*above, "tests", "benchmarks", "docker"})


FLOORS = (
    (
        *("code", "diagnosis", "documents", "environment", "errors", "files", "leftovers"),
        *("messages", "paths", "shadowing", "stack", "walk", "yaml_text"),
    ),
    ("settings", "tasks", "functions"),
    ("data",),
    ("judging",),
    ("components", "pushing", "beam", "dag"),
    # Where a local run keeps its files and records, which both its report and the run itself read.
    ("local.layout", "local.database"),
    ("report",),
    ("local",),
)
"""What is in `pipelines`, lowest first: each may import from its own floor and those below."""

FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
MODULES = [
    name for name in NAMES if name.startswith("pipelines/") and name != "pipelines/__init__.py"
]


def find_floor(dotted: str) -> int | None:
    """The floor of a module of `pipelines`; None if nobody chose one."""
    _, *parts = dotted.split(".")
    return FLOOR_OF.get(".".join(parts[:2]), FLOOR_OF.get(parts[0]))


def find_arrows_up(tree: ast.AST, file: Path) -> set[str]:
    """What a file of `pipelines` imports from a floor above its own."""
    own = find_floor(".".join(file.relative_to(ROOT).with_suffix("").parts))
    assert own is not None, f"{file} has no floor yet: choose one in FLOORS"
    names = {name for name in imported(tree, file) if name.startswith("pipelines.")}
    # `from pipelines.local import layout` is of the module, not of its package.
    modules = {name for name in names if not any(n.startswith(f"{name}.") for n in names)}
    return {name for name in modules if (find_floor(name) or 0) > own}


@pytest.mark.parametrize("name", MODULES)
def test_arrows_inside_pipelines_point_down(name: str) -> None:
    file = ROOT / name
    assert find_arrows_up(ast.parse(file.read_text(encoding="utf-8")), file) == set()


def test_every_floor_holds_something() -> None:
    modules = {name.removesuffix(".py").replace("/", ".") for name in MODULES}
    for name in FLOOR_OF:
        assert modules & {f"pipelines.{name}", f"pipelines.{name}.__init__"}, name


@pytest.mark.parametrize(
    ("file", "source", "arrows"),
    [
        ("judging/page.py", "from pipelines.report import table", {"pipelines.report.table"}),
        ("judging/page.py", "from pipelines import report", {"pipelines.report"}),
        ("judging/page.py", "def f():\n    import pipelines.dag", {"pipelines.dag"}),
        ("judging/page.py", "from ..local import layout", {"pipelines.local.layout"}),
        ("judging/page.py", "from pipelines.data import source", set()),
        ("settings.py", "from pipelines.data import prepare", {"pipelines.data.prepare"}),
        ("components/pusher.py", "from pipelines import dag", set()),
        ("report/build.py", "from pipelines.local import layout", set()),
        ("report/build.py", "from pipelines.local import worker", {"pipelines.local.worker"}),
        ("local/worker.py", "from pipelines.report import build", set()),
    ],
)
def test_the_check_sees_arrows_that_run_up(file: str, source: str, arrows: set[str]) -> None:
    assert find_arrows_up(ast.parse(source), ROOT / "pipelines" / file) == arrows


def test_a_new_file_has_to_choose_its_floor() -> None:
    with pytest.raises(AssertionError, match="has no floor yet"):
        find_arrows_up(ast.parse(""), ROOT / "pipelines" / "made_up.py")


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
