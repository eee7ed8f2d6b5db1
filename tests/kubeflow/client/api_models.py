"""Requests and responses through the models that the kfp-server-api package publishes.

What these models do not know cannot be read or written here, whatever this project believes.
"""

import json
import re
import types
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import kfp_server_api

_CLIENT = kfp_server_api.ApiClient()


class UnknownFieldError(ValueError):
    """A request holds what its model does not."""


def knows(model: str, field: str) -> bool:
    """Whether the installed package's model has this field."""
    return field in getattr(kfp_server_api, model).openapi_types


def made(model: str, newer: dict[str, Any] | None = None, **fields: Any) -> Any:
    """An instance without what is empty, which the server does not write either.

    Args:
      model: The model's name.
      newer: Fields that only newer packages know; dropped where the installed one does not.
      **fields: The rest; one that the model does not know is an error.
    """
    known = {key: value for key, value in (newer or {}).items() if knows(model, key)}
    given = {key: value for key, value in {**fields, **known}.items() if value not in _EMPTY}
    return getattr(kfp_server_api, model)(**given)


def read(model: str, sent: Any) -> Any:
    """An instance from a request's body.

    Raises:
      UnknownFieldError: It would not come back as it was sent.
    """
    try:
        instance = _CLIENT.deserialize(types.SimpleNamespace(data=json.dumps(sent)), model)
    except kfp_server_api.ApiException as error:
        raise UnknownFieldError(f"{model} of kfp-server-api: {error.reason}") from None
    if lost := list(_lost(sent, as_json(instance), model)):
        raise UnknownFieldError(f"{model} of kfp-server-api does not hold {', '.join(lost)}")
    return instance


def as_json(instance: Any) -> Any:
    """What a response's body is made of."""
    return _CLIENT.sanitize_for_serialization(instance)


def json_text(content: Any) -> str:
    """The body of a response, of models or of plain values."""
    return json.dumps(as_json(content))


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)")
_EMPTY: tuple[Any, ...] = ("", None, False, 0, [])


def _lost(sent: Any, kept: Any, where: str) -> Iterator[str]:
    if isinstance(sent, dict):
        for key, value in sent.items():
            if isinstance(kept, dict) and key in kept:
                yield from _lost(value, kept[key], f"{where}.{key}")
            elif value is not None:
                yield f"{where}.{key}"
    elif isinstance(sent, list):
        if not isinstance(kept, list) or len(kept) != len(sent):
            yield where
        else:
            for one, other in zip(sent, kept, strict=True):
                yield from _lost(one, other, f"{where}[]")
    elif sent != kept and not _same_scalar(sent, kept):
        yield f"{where}={sent!r}"


def _same_scalar(sent: Any, kept: Any) -> bool:
    """64-bit integers are strings or numbers, and times have several spellings."""
    if isinstance(sent, bool) or isinstance(kept, bool):
        return False
    return str(sent) == str(kept) or _moment(sent) == _moment(kept) is not None


def _moment(text: Any) -> datetime | None:
    """A time, if it is written as the server wants it."""
    if not _RFC_3339.fullmatch(str(text)):
        return None
    moment: datetime = _CLIENT.deserialize(types.SimpleNamespace(data=json.dumps(text)), "datetime")
    return moment


def timestamp(moment: datetime) -> str:
    """As protobuf's JSON has a time of whole seconds."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def epoch(text: str) -> int:
    """Seconds of what `timestamp` wrote."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
