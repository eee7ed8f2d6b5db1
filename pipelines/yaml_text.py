"""YAML that a user wrote: its values, and how each value was written.

PyYAML reads YAML 1.1, where 3.10 is the number 3.1, 12:30 is 750, 010 is 8 and `no` is false. A
caller that wants a text refuses these values, and shows what the user wrote (`Document.explain`).
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import yaml

from pipelines import files
from pipelines.errors import SettingsError

Location = tuple[str | int, ...]
"""The keys and indexes that lead to a value."""

_TAG = "tag:yaml.org,2002:"
_TEXT, _MERGE = f"{_TAG}str", f"{_TAG}merge"
_KINDS = {
    f"{_TAG}int": "a number",
    f"{_TAG}float": "a number",
    f"{_TAG}bool": "a truth value",
    f"{_TAG}null": "null",
    f"{_TAG}timestamp": "a date",
}
_AMBIGUOUS = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers that YAML 1.1 reads with base 8 or 60, and YAML 1.2 does not: 010 and 12:30."""
_MOST_VALUES = 200_000
"""More than a file needs, and few enough that aliases of aliases are refused within seconds."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where YAML comes from: a file, or an option of the command line."""

    name: str
    is_file: bool

    def place(self, mark: yaml.Mark | None) -> str:
        """The file and the line, or the option."""
        return f"{self.name}, line {mark.line + 1}" if self.is_file and mark else self.name


@dataclasses.dataclass(frozen=True)
class Scalar:
    """An unquoted value that YAML does not read as a text.

    Attributes:
      text: As the user wrote it.
      kind: What YAML reads it as, such as "a number".
      value: The value that YAML reads.
      source: Where it is written.
      mark: The place in the source.
    """

    text: str
    kind: str
    value: Any
    source: Source
    mark: yaml.Mark

    def __str__(self) -> str:
        is_changed = self.kind == "a number" and str(self.value) != self.text
        kind = f"the number {self.value}" if is_changed else self.kind
        # A shell takes the outer quotes of an option for its own.
        quotes = ("'", "'") if self.source.is_file else ("'\"", "\"'")
        number = f", or write {self.value} for the number" if self.is_ambiguous else ""
        return (
            f"{self.text or 'no value'} is read as {kind}; quote it: "
            f"{self.text.join(quotes)}{number} ({self.source.place(self.mark)})"
        )

    @property
    def is_ambiguous(self) -> bool:
        """Whether YAML 1.2 reads another number, or a text."""
        return self.kind == "a number" and _AMBIGUOUS.fullmatch(self.text) is not None


@dataclasses.dataclass(frozen=True)
class Document:
    """A YAML document.

    Attributes:
      value: The content: dictionaries whose keys are texts, lists and scalars.
      scalars: The unquoted values that are not texts, by location.
    """

    value: Any
    scalars: dict[Location, Scalar]

    def explain(self, location: Location) -> str:
        """A sentence about a value that should be a text; empty where YAML reads it as one."""
        return str(self.scalars.get(location, ""))


def read(file: Path, what: str) -> Document:
    """Read a file.

    Args:
      file: YAML in UTF-8.
      what: What the file holds, for messages.

    Raises:
      SettingsError: The file cannot be read or is not YAML, has a key twice, or has a number that
        YAML 1.1 and 1.2 read differently; names the line.
    """
    return _parse(files.read_text(file, what), Source(str(file), is_file=True))


def parse(text: str, option: str) -> Document:
    """Read the value of an option.

    Args:
      text: YAML.
      option: The option, for messages.

    Raises:
      SettingsError: As for `read`.
    """
    return _parse(text, Source(option, is_file=False))


def _parse(text: str, source: Source) -> Document:
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            reader = _Reader(loader, source)
            return Document(reader.value(root, ()) if root else None, reader.scalars)
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError) as error:
        reason = _reason(error)
        if source.is_file:
            mark = getattr(error, "problem_mark", None)
            raise SettingsError(f"{source.place(mark)} is not valid YAML: {reason}") from None
        raise SettingsError(
            f"the value of {source.name} is not valid YAML: {text!r}: {reason}"
        ) from None


def _reason(error: yaml.YAMLError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    context, problem = (getattr(error, name, None) or "" for name in ("context", "problem"))
    if not problem:
        return " ".join(str(error).split())
    if r"\t" in problem:
        return f"{problem}; indent with spaces"
    if problem.startswith("found character") or "an alias" in context:
        return f"{problem}; quote a value that begins with a special character"
    return f"{context}, {problem}" if problem.startswith("but ") else problem


class _Loader(yaml.SafeLoader):
    """Reads a single = as a text: for YAML 1.1 it is a kind of its own, which has no value."""

    yaml_implicit_resolvers = {
        first: resolvers
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        if first != "="
    }


class _Reader:
    """Makes values of the nodes of one document."""

    def __init__(self, loader: _Loader, source: Source) -> None:
        self.scalars: dict[Location, Scalar] = {}
        self._loader = loader
        self._resolve: Any = loader.resolve  # untyped
        self._source = source
        self._parents: list[yaml.Node] = []
        self._values = 0

    def value(self, node: yaml.Node, location: Location) -> Any:
        """The value of a node.

        Raises:
          SettingsError: It is refused, or one below it is.
        """
        self._values += 1
        if self._values > _MOST_VALUES:
            raise self._refusal(node, f"has more than {_MOST_VALUES:,} values: use fewer aliases")
        if node in self._parents:
            raise self._refusal(node, f"{_named(location)} contains itself: remove the alias")
        self._check_tag(node, location)
        self._parents.append(node)
        try:
            match node:
                case yaml.MappingNode():
                    return self._mapping(node, location)
                case yaml.SequenceNode():
                    return [
                        self.value(item, (*location, index))
                        for index, item in enumerate(node.value)
                    ]
            return self._scalar(node, location)
        finally:
            self._parents.pop()

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                # The first of several mappings wins (https://yaml.org/type/merge.html).
                for source in reversed(value.value if value.id == "sequence" else [value]):
                    if not isinstance(source, yaml.MappingNode):
                        raise self._refusal(source, "<< takes a mapping, or a list of mappings")
                    merged |= self.value(source, location)
        lines: dict[str, int] = {}
        own = {}
        for key, value in node.value:
            text = self._key(key, location)
            if text in lines:
                first = f", first in line {lines[text]}" if self._source.is_file else ""
                name = _named((*location, text))
                raise self._refusal(key, f"the key {name} is there twice{first}: keep one of them")
            lines[text] = key.start_mark.line + 1
            if key.tag != _MERGE:
                own[text] = self.value(value, (*location, text))
        return {**merged, **own}

    def _key(self, node: yaml.Node, location: Location) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._refusal(node, f"a key of {_named(location)} is not a text")
        self._check_tag(node, location)
        if node.tag not in (_TEXT, _MERGE):
            text = node.value
            raise self._refusal(
                node, f"the key {text or 'null'} is read as {_KINDS[node.tag]}; quote it: '{text}'"
            )
        return str(node.value)

    def _scalar(self, node: yaml.Node, location: Location) -> Any:
        if node.tag == _TEXT:
            return node.value
        try:
            value = self._loader.construct_object(node)
        except ValueError as error:
            reason = f"{_named(location)}: {node.value} is not {_KINDS[node.tag]} ({error})"
            raise self._refusal(node, f"{reason}; quote it if it is a text") from None
        scalar = Scalar(node.value, _KINDS[node.tag], value, self._source, node.start_mark)
        if scalar.is_ambiguous:
            raise SettingsError(f"{_named(location)}: {scalar}")
        self.scalars[location] = scalar
        return value

    def _check_tag(self, node: yaml.Node, location: Location) -> None:
        """Refuses tags, which change what a value is, but for `!!str`.

        Raises:
          SettingsError: The node has another tag.
        """
        if isinstance(node, yaml.ScalarNode):
            implicit = (node.style is None, node.style is not None)
            expected = self._resolve(yaml.ScalarNode, node.value, implicit)
        else:
            expected = self._resolve(type(node), None, True)
        if node.tag not in (expected, _TEXT):
            tag = node.tag.replace(_TAG, "!!")
            raise self._refusal(node, f"{_named(location)}: the tag {tag} is not taken: remove it")

    def _refusal(self, node: yaml.Node, reason: str) -> SettingsError:
        return SettingsError(f"{self._source.place(node.start_mark)}: {reason}")


def _named(location: Location) -> str:
    return ".".join(map(str, location)) or "the document"
