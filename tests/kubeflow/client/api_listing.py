"""Sorting, filtering and paging as KFP's API server does it."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import unquote_plus

from tests.kubeflow.client.api_models import epoch
from tests.kubeflow.client.api_refusal import Code, Refusal, invalid, quoted, unknown

Item = TypeVar("Item")
Getter = Callable[[Any], Any]

_OPERATIONS = {
    0: "OPERATION_UNSPECIFIED",
    1: "EQUALS",
    2: "NOT_EQUALS",
    3: "GREATER_THAN",
    5: "GREATER_THAN_EQUALS",
    6: "LESS_THAN",
    7: "LESS_THAN_EQUALS",
    8: "IN",
    9: "IS_SUBSTRING",
}
COMMON = {"created_at": "created_at", "description": "description"}
"""Fields of everything that can be listed."""

_PROTO = "kubeflow.pipelines.backend.api.v2beta1"
_VALUES = ("int", "long", "string", "timestamp")
_GO = {"int": "int32", "long": "int64", "string": "string", "timestamp": "int64"}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "EQUALS": lambda have, want: have == want,
    "NOT_EQUALS": lambda have, want: have != want,
    "GREATER_THAN": lambda have, want: have > want,
    "GREATER_THAN_EQUALS": lambda have, want: have >= want,
    "LESS_THAN": lambda have, want: have < want,
    "LESS_THAN_EQUALS": lambda have, want: have <= want,
    "IN": lambda have, want: have in want,
    "IS_SUBSTRING": lambda have, want: bool(_like(want).search(str(have))),
}


class Listing(Generic[Item]):
    """What can be listed, and by which fields."""

    def __init__(
        self,
        kind: str,
        key: str,
        fields: Mapping[str, str | Getter],
        one_page: Mapping[str, str] | None = None,
    ) -> None:
        """Names the kind as the server's own code does.

        Args:
          kind: Its name in messages.
          key: The attribute that is unique.
          fields: What a request may sort and filter by, and the attribute or function behind it.
          one_page: Fields by which the server sorts only if there is no next page, and what it
            calls them then.
        """
        self._kind = kind
        self._one_page = one_page or {}
        self._key = _getter(key)
        self._fields = {name: _getter(of) for name, of in fields.items()}

    def page(self, items: Iterable[Item], query: Mapping[str, str]) -> tuple[list[Item], int, str]:
        """One page of the items, how many match in all, and the token of the next page.

        Raises:
          Refusal: The request cannot be understood.
        """
        size = _size(query.get("page_size", ""))
        predicates = self._predicates(query.get("filter", ""))
        field, descending = self._order(query.get("sort_by", ""))
        start: list[Any] | None = None
        if token := query.get("page_token"):
            known = _untoken(token)
            asked = {"sort": field, "descending": descending, "filter": predicates}
            if query.get("sort_by") or query.get("filter"):
                self._check_same(known, asked)
            field, descending = known["sort"], known["descending"]
            predicates, start = known["filter"], known["start"]

        def rank(item: Item) -> list[Any]:
            return [_collated(self._fields[field](item)), self._key(item)]

        matching = sorted(
            (item for item in items if all(self._holds(one, item) for one in predicates)),
            key=rank,
            reverse=descending,
        )
        total = len(matching)
        if start is not None:
            matching = [
                item
                for item in matching
                if (rank(item) <= start if descending else rank(item) >= start)
            ]
        following = ""
        if len(matching) > size:
            if field in self._one_page:
                column = quoted(self._one_page[field])
                raise invalid(f"cannot sort by field {column} on type {quoted(self._kind)}")
            state = {"sort": field, "descending": descending, "filter": predicates}
            following = _token({**state, "start": rank(matching[size])})
        return matching[:size], total, following

    def _order(self, text: str) -> tuple[str, bool]:
        words = text.lower().split()
        if len(words) > 2 or (len(words) == 2 and words[1] not in ("asc", "desc")):
            raise invalid(
                f"Received invalid sort by format {quoted(text)}. Supported format: "
                '"field_name", "field_name desc", or "field_name asc"'
            )
        field = words[0] if words else "created_at"
        if field not in self._fields:
            raise invalid(f"Invalid sorting field: {quoted(field)} on listable type {self._kind}")
        return field, words[1:] == ["desc"]

    def _predicates(self, text: str) -> list[list[Any]]:
        if not text:
            return []
        found = [_predicate(one, text) for one in _parsed_filter(text)]
        for _, key, _ in found:
            if key not in self._fields:
                raise invalid(f"no support for filtering on unrecognized field {quoted(key)}")
        return found

    def _holds(self, predicate: Sequence[Any], item: Item) -> bool:
        operation, key, value = predicate
        try:
            return _COMPARE[operation](_collated(self._fields[key](item)), _collated(value))
        except TypeError:
            return False  # a text and a number, which a database compares somehow

    def _check_same(self, known: dict[str, Any], asked: dict[str, Any]) -> None:
        # The server compares what it parsed with what it read back from the token, where numbers
        # and lists have other types: with those, the filter has to be left out.
        odd = any(not isinstance(value, str) for _, _, value in asked["filter"])
        if odd or any(known[name] != value for name, value in asked.items()):
            raise invalid(
                "page token does not match the supplied sort by and/or filtering criteria. "
                "Either specify the same criteria or leave the latter empty if page token is "
                "specified"
            )


def _getter(of: str | Getter) -> Getter:
    if not isinstance(of, str):
        return of
    if of.endswith("_at"):
        return lambda item: epoch(getattr(item, of) or "1970-01-01T00:00:00Z")
    return lambda item: getattr(item, of) or ""


def _collated(value: Any) -> Any:
    """As the database compares texts: it knows no upper case."""
    if isinstance(value, list):
        return [_collated(item) for item in value]
    return value.lower() if isinstance(value, str) else value


def _size(text: str) -> int:
    is_number = re.fullmatch(r"[-+]?\d*", text)
    if not is_number or int(text or 0) >= 1 << 31:
        reason = "value out of range" if is_number else "invalid syntax"
        message = f'parsing field "page_size": strconv.ParseInt: parsing {quoted(text)}: {reason}'
        raise Refusal(Code.INVALID_ARGUMENT, message, "")
    size = int(text or 0)
    if size < 0:
        raise invalid(f"The page size should be greater than 0. Got {size}")
    return min(size or 20, 200)


def _token(state: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(state).encode()).decode()


def _untoken(token: str) -> dict[str, Any]:
    try:
        return dict(json.loads(base64.b64decode(token, validate=True)))
    except (binascii.Error, ValueError):
        message = "Invalid page token"
        reason = f"illegal base64 data at input byte {len(token) // 4 * 4}"
        raise Refusal(
            Code.INVALID_ARGUMENT, f"InvalidInputError: {message}: {reason}", message
        ) from None


def _parsed_filter(text: str) -> list[dict[str, Any]]:
    def wrong(reason: str) -> Exception:
        return invalid(f"failed to parse valid filter from {quoted(text)}: {reason}")

    # The server decodes the query's value once more.
    if escape := re.search(r"%(?![0-9a-fA-F]{2}).{0,2}", text):
        raise wrong(f"invalid URL escape {quoted(escape[0])}")
    try:
        message = json.loads(unquote_plus(text))
    except ValueError as error:
        raise wrong(str(error)) from None
    if not isinstance(message, dict):
        raise wrong("not an object")
    if odd := set(message) - {"predicates"}:
        raise wrong(f"unknown field {quoted(min(odd))} in {_PROTO}.Filter")
    known = {f"{name}{end}" for name in _VALUES for end in ("_value", "_values", "Value", "Values")}
    for predicate in message.get("predicates", []):
        if odd := set(predicate) - {"operation", "key", *known}:
            raise wrong(f"unknown field {quoted(min(odd))} in {_PROTO}.Predicate")
    return list(message.get("predicates", []))


def _predicate(sent: dict[str, Any], text: str) -> list[Any]:
    operation = sent.get("operation", 0)
    operation = _OPERATIONS.get(operation, operation)
    if isinstance(operation, str) and operation not in _OPERATIONS.values():
        raise invalid(f"failed to parse valid filter from {quoted(text)}: unknown value")
    if operation not in _OPERATIONS.values() or operation == "OPERATION_UNSPECIFIED":
        raise unknown("Error using Filter.Predicate.Operation with go_client.Predicate_Operation")
    values = [name for name in sent if name not in ("operation", "key")]
    if len(values) != 1:
        raise unknown("Error using Filter.Predicate.Value with <nil>")
    kind = re.split(r"_|V", values[0])[0]
    value = sent[values[0]]
    is_list = values[0].endswith("s")
    try:
        if is_list:
            value = [_scalar(kind, one) for one in value.get("values", [])]
        else:
            value = _scalar(kind, value)
    except ValueError as error:
        raise invalid(f"failed to parse valid filter from {quoted(text)}: {error}") from None
    if not sent.get("key"):
        raise invalid(
            f"Predicate key cannot be empty for operation {operation} and value {sent[values[0]]}"
        )
    if operation == "IN" and not is_list:
        raise invalid(f"cannot use IN operator with scalar type {_GO[kind]}")
    if operation == "IS_SUBSTRING" and (kind != "string" or is_list):
        raise invalid(f"cannot use non string value type string with operator {_go(value)}")
    if operation not in ("IN", "IS_SUBSTRING") and is_list:
        raise invalid(f"cannot use scalar operator {operation} on array type []{_GO[kind]}")
    return [operation, sent["key"], value]


def _scalar(kind: str, value: Any) -> Any:
    if kind == "string":
        return str(value)
    return epoch(value) if kind == "timestamp" else int(value)


def _go(value: Any) -> str:
    """As Go's %v writes a value."""
    return f"[{' '.join(map(_go, value))}]" if isinstance(value, list) else str(value)


def _like(pattern: str) -> re.Pattern[str]:
    """SQL's LIKE, which knows no upper case and has two characters of its own."""
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.I | re.S)
