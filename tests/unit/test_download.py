"""The download of MNIST, from real servers on this machine."""

import contextlib
import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from pipelines.data import idx
from pipelines.errors import DataError
from tests.unit.idx_files import idx_bytes
from tests.unit.mnist_examples import read_part

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
LABELS = np.arange(6, dtype=np.uint8)
CONTENT = {
    "train-images-idx3-ubyte": idx_bytes(IMAGES),
    "train-labels-idx1-ubyte": idx_bytes(LABELS),
    "t10k-images-idx3-ubyte": idx_bytes(IMAGES[:2]),
    "t10k-labels-idx1-ubyte": idx_bytes(LABELS[:2]),
}
CHECKSUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
GOOD = {f"/{name}.gz": gzip.compress(content) for name, content in CONTENT.items()}

Serve = Callable[[dict[str, bytes]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server of some files and gives its address; the last one ends with the test."""
    servers = []

    def start(files: dict[str, bytes]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def closed() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


def refusal(*mirrors: str) -> str:
    with pytest.raises(DataError) as caught:
        idx.download(mirrors, CHECKSUMS)
    message = str(caught.value)
    assert message.startswith("MNIST cannot be downloaded (")
    assert "use --data digits" in message
    assert "\n" not in message
    for mirror in mirrors:
        assert mirror in message
    return message


def test_download(serve: Serve) -> None:
    parts = idx.download((serve(GOOD),), CHECKSUMS)
    assert list(parts) == ["train", "eval"]
    assert parts["train"].labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert parts["eval"].labels.tolist() == [0, 1]
    expected = IMAGES.reshape(6, 784) / 255 - 0.5
    np.testing.assert_allclose(read_part(parts["train"]).images, expected, atol=1e-6)


def test_compression_may_differ_between_mirrors(serve: Serve) -> None:
    stored = {path: gzip.compress(gzip.decompress(body), 0) for path, body in GOOD.items()}
    assert stored != GOOD
    assert len(idx.download((serve(stored),), CHECKSUMS)["train"].labels) == 6


def test_official_files_are_those_of_mnist() -> None:
    assert set(idx.SHA256) == set(CONTENT)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in idx.SHA256.values())
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in idx.MIRRORS)


def test_own_content_is_not_taken_for_the_official_one(serve: Serve) -> None:
    with pytest.raises(DataError, match="another content than the official file"):
        idx.download((serve(GOOD),))


@pytest.mark.parametrize("name", CONTENT)
def test_wrong_content_of_any_file(serve: Serve, name: str) -> None:
    content = bytearray(CONTENT[name])
    content[-1] ^= 1
    files = {**GOOD, f"/{name}.gz": gzip.compress(bytes(content))}
    assert f"{name} has another content than the official file" in refusal(serve(files))


def test_missing_file(serve: Serve) -> None:
    files = {path: body for path, body in GOOD.items() if "t10k-labels" not in path}
    assert "Not Found" in refusal(serve(files))


@pytest.mark.parametrize(
    "damage",
    [lambda body: body[: len(body) // 2], lambda body: b"", lambda body: b"<html>log in</html>"],
    ids=["truncated", "empty", "another page"],
)
def test_damaged_file(serve: Serve, damage: Callable[[bytes], bytes]) -> None:
    path = "/train-images-idx3-ubyte.gz"
    refusal(serve({**GOOD, path: damage(GOOD[path])}))


def test_answer_that_does_not_end(serve: Serve) -> None:
    large = dict.fromkeys(GOOD, bytes(idx._MOST_BYTES + 1))
    assert "the answer does not end" in refusal(serve(large))


def test_next_mirror_where_one_refuses_the_connection(serve: Serve, closed: str) -> None:
    assert len(idx.download((closed, serve(GOOD)), CHECKSUMS)["train"].labels) == 6


def test_next_mirror_where_one_has_other_files(serve: Serve) -> None:
    wrong = {path: gzip.compress(b"other") for path in GOOD}
    assert len(idx.download((serve({}), serve(wrong), serve(GOOD)), CHECKSUMS)["train"].labels) == 6


def test_every_mirror_says_why(serve: Serve, closed: str) -> None:
    message = refusal(closed, serve({}))
    assert "Connection refused" in message
    assert "Not Found" in message


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_silent_server_is_given_up_within_the_time_out(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, silent: str
) -> None:
    monkeypatch.setattr(idx, "_SECONDS", 0.2)
    start = time.monotonic()
    assert len(idx.download((silent, serve(GOOD)), CHECKSUMS)["train"].labels) == 6
    assert 0.2 <= time.monotonic() - start < 5


def test_time_outs_are_seconds() -> None:
    assert 0 < idx._SECONDS <= 5


@pytest.fixture
def slow() -> Iterator[Callable[[int, float], str]]:
    """Starts a server that sends pieces of this size with this pause, without end."""
    stop = threading.Event()
    listeners = []

    def start(size: int, pause: float) -> str:
        def send() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    while not stop.wait(pause):
                        connection.sendall(b"x" * size)

        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=send, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield start
    stop.set()
    for listener in listeners:
        listener.close()


def test_slow_server_is_given_up_when_the_time_is_over(
    slow: Callable[[int, float], str],
) -> None:
    start = time.monotonic()
    with pytest.raises(DataError, match="too slow"):
        idx.download((slow(100_000, 0.02),), CHECKSUMS, seconds=0.5)
    assert 0.5 <= time.monotonic() - start < 5
