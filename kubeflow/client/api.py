"""`kfp.Client` with our errors; turns pages, and repeats requests that fail in passing."""

import contextlib
import dataclasses
import io
import json
import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

import kfp
import tenacity

from kubeflow.client import errors
from pipelines.errors import ClusterMissingError

T = TypeVar("T")
_PAGE_SIZE = 100
_NONE_FOUND = "No experiment is found"
"""How the message of `kfp.Client.get_experiment` begins where there is none of a name."""


@dataclasses.dataclass(frozen=True)
class Api:
    """A connection.

    Attributes:
      client: The client.
      host: What people call the server, for messages.
      ui: Address of the UI without a slash at its end; empty where nobody knows it.
      namespace: The profile's namespace; None where the server has one user.
      retry_seconds: How long a request that fails in passing is repeated.
    """

    client: kfp.Client
    host: str
    ui: str
    namespace: str | None
    retry_seconds: float

    def ask(self, method: Callable[..., T], **arguments: Any) -> T:
        """Calls a method of the client that may be called again: it reads, or sets a state.

        Raises:
          ClusterError: The server cannot be reached, fails, or refuses.
        """
        answer = self._repeated(lambda: _quietly(method, **arguments))
        if answer is None and method.__name__.startswith(("get_", "list_")):
            raise errors.unreadable(self.host)  # `null`
        return answer

    def make(self, find: Callable[[], T | None], method: Callable[..., T], **arguments: Any) -> T:
        """Calls a method that makes something, once: an answer that was lost is looked for.

        Args:
          find: Reads what would have been made, None if it was not.
          method: Makes it.
          **arguments: For `method`.

        Raises:
          ClusterError: The server cannot be reached, fails, or refuses.
        """
        tried = False

        def once() -> T:
            nonlocal tried
            if tried and (found := find()) is not None:
                return found
            tried = True
            return _quietly(method, **arguments)

        return self._repeated(once)

    def remove(self, method: Callable[..., Any], **arguments: Any) -> None:
        """Calls a method that deletes; what is gone already is as good.

        Raises:
          ClusterError: The server cannot be reached, fails, or refuses.
        """
        with contextlib.suppress(ClusterMissingError):
            self.ask(method, **arguments)

    def pages(
        self, method: Callable[..., Any], field: str, size: int = 0, **arguments: Any
    ) -> Iterator[Any]:
        """Everything that a method lists, page by page.

        Args:
          method: Takes `page_token` and `page_size`.
          field: Where its answer has the list.
          size: Entries on a page; by default, and at most, as many as the server gives at once.
          **arguments: For `method`, on every page.

        Raises:
          ClusterError: The server cannot be reached, fails, or refuses.
        """
        token, tokens = "", set[str]()
        size = min(size or _PAGE_SIZE, _PAGE_SIZE)
        while True:
            page = self.ask(method, page_token=token, page_size=size, **arguments)
            yield from getattr(page, field) or []
            token = page.next_page_token or ""
            if not token:
                return
            if token in tokens:
                raise errors.unreadable(self.host)  # the same page again and again
            tokens.add(token)
            # The token holds both; KFP refuses a list of values beside it (`Options.Matches`).
            arguments = {k: v for k, v in arguments.items() if k not in ("filter", "sort_by")}

    def link(self, path: str) -> str:
        """Address of a page of the UI; empty where the UI's own is unknown."""
        return f"{self.ui}/#/{path}" if self.ui else ""

    def _repeated(self, call: Callable[[], T]) -> T:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(errors.is_passing),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
            stop=tenacity.stop_after_delay(self.retry_seconds),
            reraise=True,
        )
        try:
            answer = retrying(call)
        except errors.RAISED as error:
            raise errors.translate(error, self.host) from error
        except errors.UNREADABLE as error:
            if str(error).startswith(_NONE_FOUND):
                raise
            raise errors.unreadable(self.host) from error
        if not errors.is_readable(answer):
            raise errors.unreadable(self.host)
        return answer


def where(key: str, value: str, operation: str = "EQUALS") -> str:
    """A `filter` of the methods that list; its form is KFP's `filter.proto`."""
    return _filter({"operation": operation, "key": key, "stringValue": value})


def where_in(key: str, values: Collection[str]) -> str:
    """A `filter` for entries with any of the values."""
    return _filter({"operation": "IN", "key": key, "stringValues": {"values": [*values]}})


def _filter(predicate: dict[str, Any]) -> str:
    return json.dumps({"predicates": [predicate]})


def _quietly(method: Callable[..., T], **arguments: Any) -> T:
    """The client prints links, and logs whole answers where its health check fails."""
    logging.disable()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return method(**arguments)
    finally:
        logging.disable(logging.NOTSET)
