"""Documents: one parser, which tells what is wrong in a sentence."""

import json
import math
from typing import Any, ClassVar

import pytest

from pipelines.documents import Document
from pipelines.errors import DocumentError


class Measurement(Document):
    """Numbers, of which some may be none."""

    FORMAT: ClassVar[int] = 1

    number: float
    anything: dict[str, Any]


class Note(Document):
    """A document of two fields."""

    FORMAT: ClassVar[int] = 3

    text: str
    count: int


def test_round_trip() -> None:
    note = Note(text="ä", count=2)
    assert json.loads(note.to_json()) == {"format": 3, "text": "ä", "count": 2}
    assert Note.parse(note.to_json(), "note.json") == note


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is damaged: it is no JSON object"),
        (b'{"format": 3, "text"', "is damaged: it is no JSON object"),
        (b"[1]", "is damaged: it is no JSON object"),
        (b"null", "is damaged: it is no JSON object"),
        (b"\xff\xfe", "is damaged: it is no JSON object"),
        (b'{"text": "a", "count": 1}', "has the format None, and this release reads 3"),
        (b'{"format": 2, "text": "a"}', "has the format 2, and this release reads 3"),
        (b'{"format": 3, "text": "a"}', "is damaged: count: Field required"),
        (b'{"format": 3, "text": "a", "count": "x"}', "is damaged: count: Input should be"),
        (b'{"format": 3, "text": "a", "count": 1, "more": 1}', "is damaged: more: Extra inputs"),
    ],
)
def test_anything_else_is_one_sentence(content: bytes, says: str) -> None:
    with pytest.raises(DocumentError, match=r"^note\.json ") as raised:
        Note.parse(content, "note.json")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@pytest.mark.parametrize(
    ("number", "text"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (0.5, 0.5)],
)
def test_files_are_strict_json_and_keep_what_a_number_was(number: float, text: object) -> None:
    written = Measurement(number=number, anything={"a": {"b": [number]}}).to_json()
    values = json.loads(written, parse_constant=refuse_constant)
    assert values["number"] == text
    assert values["anything"] == {"a": {"b": [text]}}
    assert repr(Measurement.parse(written, "m.json").number) == repr(number)
