"""A Docker daemon of the tests' own, beside whatever Docker the host has.

    python -m tests.container.engine    starts one by hand, tells how to reach it, ends with Ctrl-C

With TFX_MOBILE_IMAGE_CACHE=DIR its images stay in DIR, and a daemon that already serves DIR is used
and left running.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.container import base

ROOT = Path(__file__).resolve().parents[2]
CACHE = "TFX_MOBILE_IMAGE_CACHE"
# Debian's client beside Debian's daemon: another one on PATH may be too new for it.
CLIENT = shutil.which("docker", path="/usr/bin") or shutil.which("docker") or "docker"
HARDENED = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")
# Where the KFP launcher puts inputs and takes outputs; its pods mount an emptyDir at each.
LAUNCHER = ("/gcs", "/s3", "/minio")


def obstacle() -> str:
    """Why no engine can run here, as a sentence; empty where it can."""
    if os.geteuid() != 0:
        return "Docker's daemon needs root."
    for program, package in (("dockerd", "docker.io"), ("debootstrap", "debootstrap")):
        if not shutil.which(program):
            return f"There is no {program}: apt-get install {package}."
    if not base.interpreters():
        return "The stand-in for the base image needs a CPython 3.12 of pyenv: pyenv install 3.12."
    return ""


class Engine:
    """Starts on entering, leaves nothing behind on leaving, except in the cache."""

    def __enter__(self) -> "Engine":
        self._process: subprocess.Popen[bytes] | None = None
        # Paths of Unix sockets are short, so this is no directory of pytest's.
        self._run = Path(tempfile.mkdtemp(prefix="tfx-mobile-docker-"))
        cache = os.environ.get(CACHE, "")
        self._keep = Path(cache or self._run).resolve()
        self._keep.mkdir(parents=True, exist_ok=True)
        self.host = f"unix://{self._keep / 'docker.sock'}"
        try:
            if not self._answers():
                self._start("overlay2")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            _stop(self._process)
        # A daemon that was killed leaves mounts; each would keep the tree from going away.
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed(mounts):
            if Path(mount).is_relative_to(self._run):
                subprocess.run(["umount", "--lazy", mount], check=False)
        # Hundred thousands of files; never into what is still mounted.
        subprocess.run(["rm", "-rf", "--one-file-system", self._run], check=True)

    def _start(self, driver: str) -> None:
        log = self._run / "dockerd.log"
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [
                    # Were the tests killed, nobody else would end it.
                    *("setpriv", "--pdeathsig", "TERM"),
                    *("dockerd", "--host", self.host, "--storage-driver", driver),
                    *("--bridge=none", "--iptables=false", "--ip-forward=false"),
                    *("--data-root", str(self._keep / "data")),
                    *("--exec-root", str(self._run / "exec")),
                    *("--pidfile", str(self._run / "dockerd.pid")),
                ],
                stdout=stream,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the tests, which then stop the daemon.
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None:
                if driver == "overlay2" and "graphdriver" in log.read_text():
                    # On a file system that cannot carry an overlay, such as an overlay.
                    return self._start("vfs")
                raise RuntimeError(f"dockerd ended: {log.read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"dockerd does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.2)
        return None

    def _answers(self) -> bool:
        return self.docker("version", check=False, timeout=20).returncode == 0

    @property
    def environment(self) -> dict[str, str]:
        """For a client: this daemon, and nothing of the user's configuration of Docker."""
        return os.environ | {
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(self._run / "config"),
            "DOCKER_CONTEXT": "default",
            "DOCKER_BUILDKIT": "1",
        }

    def docker(
        self, *arguments: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Runs the client."""
        done = subprocess.run(
            [CLIENT, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, f"docker {arguments[0]}: {done.stdout}{done.stderr}"
        return done

    def base(self) -> str:
        """Makes the stand-in for the base image, unless it is there, and returns its name."""
        if self.docker("image", "inspect", base.NAME, check=False).returncode != 0:
            tree = self._run / "base"
            tree.mkdir()
            base.make(tree, base.interpreters()[-1])
            changes = [word for line in base.CONFIG for word in ("--change", line)]
            with subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE) as tar:
                subprocess.run(
                    [CLIENT, "import", *changes, "-", base.NAME],
                    env=self.environment,
                    stdin=tar.stdout,
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
            assert tar.returncode == 0
            shutil.rmtree(tree)
        return base.NAME

    def build(
        self,
        image: str = "",
        arguments: str = "",
        environment: Mapping[str, str] | None = None,
        checkout: Path = ROOT,
    ) -> str:
        """Builds with `make image`, as a person does.

        Args:
          image: Its reference; empty for the one that `make image` chooses.
          arguments: More arguments of `docker build`.
          environment: More variables.
          checkout: Where `make` runs.

        Returns:
          The reference that `make` printed.
        """
        # The daemon has no bridge, so the steps of the build use the host's network.
        words = [f"DOCKER={CLIENT}", f"IMAGE={image}", f"ARGS=--network host {arguments}".strip()]
        done = subprocess.run(
            ["make", "--no-print-directory", "image", *words],
            cwd=checkout,
            env=self.environment | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1500,
        )
        assert done.returncode == 0, f"make image: {done.stdout[-2000:]}{done.stderr[-6000:]}"
        found = re.search(r"^image: (\S+)$", done.stdout, re.MULTILINE)
        assert found, done.stdout
        return found[1]

    def run(
        self,
        image: str,
        command: list[str],
        *,
        volumes: Mapping[str | Path, str] | None = None,
        environment: Mapping[str, str] | None = None,
        read_only: bool = True,
        user: str = "12345",
        network: str = "none",
        options: tuple[str, ...] = (),
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in a container, with the image's ENTRYPOINT ignored as KFP does.

        Args:
          image: Its reference.
          command: Program and arguments.
          volumes: Directories of the host, and where they are in the container.
          environment: More variables.
          read_only: Whether the root file system is.
          user: A user id; the image knows no name for the default.
          network: Docker's network.
          options: More options of `docker run`.
          timeout: Seconds; a container that is still there is then removed.
        """
        volumes = volumes or {}
        name = f"tfx-mobile-{uuid.uuid4().hex[:12]}"
        words = ["run", "--rm", "--name", name, "--network", network, "--user", user, *HARDENED]
        if read_only:
            words.append("--read-only")
        for place in LAUNCHER:
            if place not in volumes.values():
                words += ["--tmpfs", place]
        for source, target in volumes.items():
            words += ["--volume", f"{source}:{target}"]
        for key, value in (environment or {}).items():
            words += ["--env", f"{key}={value}"]
        words += [*options, "--entrypoint", command[0], image, *command[1:]]
        try:
            return self.docker(*words, check=False, timeout=timeout)
        except subprocess.TimeoutExpired:
            # Only the client has ended.
            self.docker("rm", "--force", name, check=False)
            raise

    @contextlib.contextmanager
    def container(self, image: str) -> Iterator[tuple[str, Path]]:
        """A container that idles as root, for a look inside; it is gone afterwards.

        Yields:
          Its id, and its root file system.
        """
        identity = self.docker(
            *("run", "--detach", "--rm", "--network", "none", "--user", "0"),
            *("--entrypoint", "sleep", image, "infinity"),
        ).stdout.strip()
        try:
            pid = self.docker("inspect", "--format", "{{.State.Pid}}", identity).stdout.strip()
            yield identity, Path("/proc", pid, "root")
        finally:
            self.docker("rm", "--force", identity)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the daemon, and with it its containerd and containers."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """An engine by hand."""
    with Engine() as engine:
        print(f"export DOCKER_HOST={engine.host}    # client: {CLIENT}; Ctrl-C ends the daemon")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
