"""Links between pages, to files and to headings resolve."""

import re

import pytest

from tests.docs import pages

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PICTURE_BYTES = 200_000


def _links():
    for page in pages.files():
        text = FENCED.sub("", page.read_text(encoding="utf-8"))
        for target in LINK.findall(text):
            if "://" not in target:
                yield pytest.param(page, target, id=f"{page.name}: {target}")


def _anchors(page):
    """As GitHub makes them: small letters, no punctuation, dashes for spaces."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize(("page", "target"), _links())
def test_a_link_resolves(page, target):
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page

    assert file.is_file()
    assert file.is_relative_to(pages.ROOT)
    if anchor:
        assert anchor in set(_anchors(file))


def test_every_page_is_linked_from_the_readme():
    readme = pages.files()[0]
    linked = {
        (readme.parent / target).resolve() for target in LINK.findall(readme.read_text("utf-8"))
    }

    assert set(pages.files()) - {readme} <= linked


def test_pictures_are_small():
    sizes = {f.name: f.stat().st_size for f in (pages.ROOT / "docs").rglob("*.png")}

    assert not {name: size for name, size in sizes.items() if size > PICTURE_BYTES}
