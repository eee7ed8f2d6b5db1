"""JSON documents with a format number, each with one parser.

A document's class holds its fields, and only `parse` makes an instance of a file's content: a
damaged file, or one of another release, is one sentence and never a KeyError.
"""

import json
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import DocumentError

_FORMAT = "format"

T = TypeVar("T", bound="Document")


class Document(BaseModel):
    """What one kind of file holds; a change of its fields raises `FORMAT`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    FORMAT: ClassVar[int]

    def to_json(self) -> str:
        """The file's content: the format number first, then the fields."""
        return json.dumps({_FORMAT: self.FORMAT, **self.model_dump(mode="json")}, indent=2) + "\n"

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
