"""What tells an object store's answer from that of a login page, a proxy or another server."""

import io
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3

from pipelines.errors import StorageRefusedError

_MAX_BYTES = 64 << 20
"""The longest answer that is not an object's content. A listing of 1000 keys has 2 MiB."""
TIMEOUTS = 10
"""How many time-outs the content of an answer may take: each is for one more byte."""
_BLOCK = 8 << 10
_HEAD = 1000


def refusal(address: str, answer: str) -> StorageRefusedError:
    """The error for an answer that no object store gives.

    Args:
      address: The server.
      answer: What it gives.
    """
    return StorageRefusedError(
        f"{address} answers with {answer}, so it is no object store, or a proxy or a login is in "
        "front of it: check the endpoint"
    )


def redirect(address: str, headers: Mapping[str, str]) -> StorageRefusedError:
    """The error for a redirect, without the query of its target, which may hold a session."""
    target = urlsplit(headers.get("Location", ""))
    host = target.netloc.rpartition("@")[2]
    place = f"{target.scheme}://{host}{target.path}" if host else target.path
    return refusal(address, f"a redirect to {place or 'nowhere'}")


def describe(content: bytes) -> str:
    """What a content is, for a message."""
    if is_page(content):
        return "a page in place of data"
    return "data of another kind" if content.strip() else "nothing"


def is_page(content: bytes) -> bool:
    """Whether a content is HTML."""
    head = content[:_HEAD].lower()
    return b"<html" in head or b"<!doctype html" in head


def find_elements(content: bytes) -> set[str]:
    """The names of an XML document's root and of its children, without namespaces.

    Empty where it is no XML.
    """
    try:
        root = ET.fromstring(content)
    except ET.ParseError:
        return set()
    return {element.tag.rpartition("}")[2] for element in (root, *root)}


def read(raw: urllib3.HTTPResponse, address: str, seconds: float) -> urllib3.HTTPResponse:
    """An answer that is read to its end, which some servers' answers do not have.

    Args:
      raw: The answer whose content was not read yet.
      address: The server.
      seconds: How long the content may take.

    Raises:
      StorageRefusedError: The content is too long, or takes too long.
      urllib3.exceptions.HTTPError: The connection fails.
    """
    content = io.BytesIO()
    end = time.monotonic() + seconds
    for block in raw.stream(_BLOCK):
        content.write(block)
        if content.tell() > _MAX_BYTES or time.monotonic() > end:
            raw.close()
            raise refusal(address, "data without end")
    if missing := raw.length_remaining:
        raise urllib3.exceptions.ProtocolError(f"{missing} bytes are missing")
    content.seek(0)
    # Without headers: `stream` has undone Content-Encoding and Transfer-Encoding.
    return urllib3.HTTPResponse(content, status=raw.status, preload_content=False)
