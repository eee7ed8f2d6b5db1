"""The guide's code is the project's code, in both languages."""

import ast
import re

import pytest

from tests.docs import pages

GUIDES = [pages.ROOT / "docs" / name for name in ("tfx-for-mobile.md", "tfx-for-mobile.ko.md")]
SNIPPETS = [(page, *block) for page in pages.files() for block in pages.blocks(page, "snippet")]
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "address", "block"), [pytest.param(*s, id=f"{s[0].name}-{s[1]}") for s in SNIPPETS]
)
def test_a_snippet_is_the_source(page, address, block):
    assert block == pages.expected("snippet", address), (
        f"{page.name} differs from {address}: .venv/bin/python -m tests.docs.pages"
    )


def test_both_languages_have_the_same_snippets_in_the_same_order():
    english, korean = ([address for address, _ in pages.blocks(g, "snippet")] for g in GUIDES)

    assert english == korean
    assert {"modules/lite.py#rewrite", "pipelines/judging/evaluation.py#lite_eval_config"} <= set(
        english
    )


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_all_code_of_the_guide_comes_from_the_source(guide):
    text = guide.read_text(encoding="utf-8")

    assert len(PYTHON.findall(text)) == len(pages.blocks(guide, "snippet"))


@pytest.mark.parametrize("page", pages.files(), ids=lambda page: page.name)
def test_every_marker_has_its_block(page):
    text = page.read_text(encoding="utf-8")
    markers = re.findall(r"^<!-- (?:snippet|help|settings)\b", text, re.MULTILINE)

    assert len(markers) == len(list(pages.GENERATED.finditer(text)))


@pytest.mark.parametrize("page", pages.files(), ids=lambda page: page.name)
def test_code_on_a_page_uses_what_modules_has(page):
    for code in PYTHON.findall(page.read_text(encoding="utf-8")):
        tree = ast.parse(code)
        ours = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "modules"
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = node.value.id
                if name in ours:
                    assert pages.snippet(f"modules/{ours[name]}.py#{node.attr}")
