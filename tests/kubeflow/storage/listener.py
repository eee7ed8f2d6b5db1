"""A TCP server on this machine whose connections each have a thread."""

import contextlib
import socket
import threading
from abc import ABC, abstractmethod


class Listener(ABC):
    """Accepts connections on a free port.

    Attributes:
      endpoint: The address.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def serve(self) -> None:
        """Accept connections until `stop`."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def stop(self) -> None:
        """Accept no more connections."""
        # close alone would leave the thread in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @abstractmethod
    def _answer(self, client: socket.socket) -> None:
        """Answer one connection, and close it."""
