"""The parts of the documentation that are made from the code, and how they are made.

    .venv/bin/python -m tests.docs.pages    writes them again

A comment in the Markdown says where the block after it comes from:

    <!-- snippet: modules/lite.py#rewrite -->   a top-level name of a module, or without # the file
    <!-- help: run -->                          the --help of a command
    <!-- settings -->                           the table of settings
"""

import ast
import re
from pathlib import Path

import click
from click.testing import CliRunner

from cli.main import main
from pipelines import settings

ROOT = Path(__file__).resolve().parents[2]
GENERATED = re.compile(
    r"^<!-- (?P<kind>snippet|help|settings)(: (?P<argument>\S[^\n]*?))? -->\n"
    r"(?P<block>```\w*\n.*?^```\n|(\|[^\n]*\n)+)",
    re.MULTILINE | re.DOTALL,
)
WIDTH = 80


def files() -> list[Path]:
    """Every page, README first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(file: Path, kind: str) -> list[tuple[str, str]]:
    """The generated blocks of one kind in a page, as (argument, block)."""
    text = file.read_text(encoding="utf-8")
    return [
        (match["argument"] or "", match["block"])
        for match in GENERATED.finditer(text)
        if match["kind"] == kind
    ]


def expected(kind: str, argument: str) -> str:
    """What a block has to be today."""
    if kind == "snippet":
        return f"```python\n{snippet(argument)}\n```\n"
    if kind == "help":
        return f"```text\n{help_of(argument)}```\n"
    return settings_table()


def render(text: str) -> str:
    """A page with its generated blocks made again."""

    def replace(match: re.Match[str]) -> str:
        marker = match[0].removesuffix(match["block"])
        return marker + expected(match["kind"], match["argument"] or "")

    return GENERATED.sub(replace, text)


def snippet(address: str) -> str:
    """The source of the statement that binds a name in a file, or of the whole file.

    Args:
      address: `path#name`, or `path`.

    Raises:
      LookupError: No such name.
    """
    path, _, name = address.partition("#")
    source = (ROOT / path).read_text(encoding="utf-8")
    if not name:
        return source.rstrip("\n")
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if name in _bound(node):
            decorators = getattr(node, "decorator_list", [])
            first = min(n.lineno for n in (node, *decorators))
            return "\n".join(lines[first - 1 : node.end_lineno])
    raise LookupError(f"{path} binds no {name!r}")


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


def commands(group: click.Group = main, prefix: str = "") -> dict[str, click.Command]:
    """Every command by what is typed after `tfx-mobile`; the group itself is ""."""
    found: dict[str, click.Command] = {prefix: group}
    for name, command in group.commands.items():
        path = f"{prefix} {name}".strip()
        if isinstance(command, click.Group):
            found |= commands(command, path)
        else:
            found[path] = command
    return found


def help_of(path: str) -> str:
    """The --help of a command, `tfx-mobile` first, at a fixed width whatever the terminal."""
    words = path.split()
    if words[:1] != ["tfx-mobile"]:
        raise LookupError(f"{path!r} does not begin with tfx-mobile")
    result = CliRunner().invoke(
        main, [*words[1:], "--help"], prog_name="tfx-mobile", terminal_width=WIDTH
    )
    if result.exit_code:
        raise LookupError(f"{path} --help ends with {result.exit_code}: {result.output}")
    return "".join(f"{line.rstrip()}\n" for line in result.output.splitlines())


def settings_table() -> str:
    """Every setting, its default and what it is."""
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    rows += [f"| `{name}` | `{value}` | {text} |" for name, value, text in settings.describe()]
    return "\n".join(" ".join(row.split()) for row in rows) + "\n"


if __name__ == "__main__":
    for page in files():
        page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")
