"""A stand-in for the image's base, python:3.12-slim-trixie, for hosts that reach no image registry.

Debian's packages are those of the real one; CPython is this host's own build of the same version.
It is test equipment: it holds the apt sources and settings of this host, so that `apt-get` in the
Dockerfile works as it does here. An image built on it is for tests only.
"""

import shutil
import subprocess
from pathlib import Path

NAME = "python:3.12-slim-trixie"
# What the real base has for CPython's own extension modules.
PACKAGES = """
    ca-certificates libbz2-1.0 libexpat1 libffi8 liblzma5 libncursesw6 libreadline8t64
    libsqlite3-0 libssl3t64 libuuid1 netbase tzdata zlib1g
"""
CONFIG = (
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
    'CMD ["python3"]',
)
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def interpreters() -> list[Path]:
    """This host's builds of CPython 3.12, newest last."""
    found = (Path.home() / ".pyenv" / "versions").glob("3.12.*/bin/python3.12")
    return sorted(
        (path.parents[1] for path in found), key=lambda path: int(path.name.rpartition(".")[2])
    )


def make(tree: Path, python: Path) -> None:
    """Fills an empty directory with the root file system.

    Args:
      tree: The directory.
      python: Prefix of the CPython that goes into /usr/local.
    """
    packages = ",".join(PACKAGES.split())
    _run(
        *("debootstrap", "--variant=minbase", f"--include={packages}", "trixie", str(tree)),
        _debian_mirror(),
    )
    (tree / "etc/apt/apt.conf.d/99host").write_text(_run("apt-config", "dump", "Acquire"))
    if (bundle := Path("/", CERTIFICATES)).exists():
        shutil.copyfile(bundle, tree / CERTIFICATES)
    for part in ("bin", "include", "lib"):
        shutil.copytree(
            python / part,
            tree / "usr/local" / part,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=_left_out_of_cpython,
        )
    _run("strip", str(tree / "usr/local/lib/libpython3.12.so.1.0"))
    _run("chroot", str(tree), "ldconfig")
    # Debian's slim images leave these out, too.
    for part in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(tree / part, ignore_errors=True)
    for cache in ("var/cache/apt", "var/lib/apt/lists", "var/cache/debconf", "var/log"):
        for entry in (tree / cache).iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _left_out_of_cpython(_: str, names: list[str]) -> set[str]:
    """The real base has neither CPython's tests, nor its static library, nor bytecode."""
    dropped = {"test", "tests", "idle_test", "__pycache__"}
    return {name for name in names if name in dropped or name.endswith(".a")}


def _debian_mirror() -> str:
    """Where this host gets Debian's packages."""
    targets = _run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI)"),
        *("Created-By: Packages", "Origin: Debian"),
    )
    return targets.split()[0]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout
