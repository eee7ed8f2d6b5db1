"""JSON documents with a format number, each with one parser.

A document's class holds its fields, and only `parse` makes an instance of a file's content: a
damaged file, or one of another release, is one sentence and never a KeyError.

The files are strict JSON (RFC 8259), which has no NaN: a number that is not finite is the text
`NaN`, `Infinity` or `-Infinity`, as in protobuf's JSON, and is parsed back into a float.
"""

import json
import math
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import DocumentError

_FORMAT = "format"

T = TypeVar("T", bound="Document")


class Document(BaseModel):
    """What one kind of file holds; a change of its fields raises `FORMAT`."""

    # The default turns a number that is not finite into null in fields of type Any.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    FORMAT: ClassVar[int]

    def to_json(self) -> str:
        """The file's content: the format number first, then the fields."""
        values = {_FORMAT: self.FORMAT, **self.model_dump(mode="json")}
        return json.dumps(_name_non_finite(values), allow_nan=False, indent=2) + "\n"

    @classmethod
    def parse(cls: type[T], content: bytes | str, where: str) -> T:
        """The document in a file's content.

        Args:
          content: JSON.
          where: The file's path or URI, for messages.

        Raises:
          DocumentError: The content is damaged, or of another format.
        """
        try:
            values = json.loads(content)
            written = values.pop(_FORMAT, None)
        except (ValueError, AttributeError, TypeError):
            raise DocumentError(f"{where} is damaged: it is no JSON object") from None
        if written != cls.FORMAT:
            raise DocumentError(
                f"{where} has the format {written}, and this release reads {cls.FORMAT}"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            path = ".".join(map(str, first["loc"]))
            raise DocumentError(f"{where} is damaged: {path}: {first['msg']}") from None


def _name_non_finite(value: Any) -> Any:
    """The JSON value with each number that is not finite as its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _name_non_finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_name_non_finite(inner) for inner in value]
    return value
