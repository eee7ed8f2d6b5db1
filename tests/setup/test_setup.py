"""requirements/setup.sh on made-up hosts: fake interpreters, a fake uv, nothing is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = """
    awk cat chmod cp cut date df dirname find flock grep ls mkdir mktemp mv rm sed sha256sum sh tail
    timeout true
"""

# Answers the probe; makes an environment with itself in it; "installs" a uv that records its calls.
PYTHON = """#!/bin/sh
case "$*" in
    "-I -c "*) printf '%s\\n' '{version}' "$0" '{cxx}' '{lacks}' ;;
    "-I -m venv "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; : >"$4/pyvenv.cfg" ;;
    *" -m pip install "*) cp "$UV_TO_INSTALL" "${{0%/*}}/uv" ;;
esac
"""
UV = """#!/bin/sh
echo "$*" >>"$UV_CALLS"
case "$*" in *" sync "*) eval "$UV_SYNC" ;; esac
"""


class Host:
    """A checkout and a home in a path with a space, on a machine with the given glibc."""

    def __init__(self, base: Path, glibc: str) -> None:
        self.base = base / "a user's home"
        self.bin = self.base / "bin"
        self.bin.mkdir(parents=True)
        for tool in TOOLS.split():
            (self.bin / tool).symlink_to(shutil.which(tool) or "/missing")
        self.script("bin/uname", '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n')
        self.script("bin/getconf", f"#!/bin/sh\necho 'glibc {glibc}'\n")
        self.checkout = self.base / "check out"
        shutil.copytree(ROOT / "requirements", self.checkout / "requirements")
        shutil.copy(ROOT / "pyproject.toml", self.checkout)
        (self.checkout / "modules").mkdir()
        shutil.copy(ROOT / "modules" / "precedence.py", self.checkout / "modules")
        self.uv_calls = self.base / "uv.calls"
        self.env = {
            "PATH": str(self.bin),
            "HOME": str(self.base),
            "UV_TO_INSTALL": str(self.script("uv.fake", UV)),
            "UV_CALLS": str(self.uv_calls),
            "UV_SYNC": ":",
        }

    @property
    def venv(self) -> Path:
        return self.checkout / ".venv"

    @property
    def stamp(self) -> Path:
        return self.venv / "tfx-mobile.stamp"

    def script(self, path: str, text: str) -> Path:
        file = self.base / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        return file

    def python(self, path: str, version: str, *, lacks: str = "", cxx: str = "true") -> Path:
        """A fake interpreter; `true` stands for a C++ compiler that is there."""
        return self.script(path, PYTHON.format(version=version, lacks=lacks, cxx=cxx))

    def setup(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "sh"), "requirements/setup.sh", *args],
            cwd=self.checkout,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def choice(self, **env: str) -> str:
        done = self.setup("--print-choice", **env)
        assert done.returncode == 0, done.stderr
        assert not self.venv.exists()
        return done.stdout.strip()

    def refusal(self, *args: str, code: int = 3, **env: str) -> str:
        done = self.setup(*args, **env)
        assert done.returncode == code, (done.stdout, done.stderr)
        sentence = done.stderr.strip()
        assert "\n" not in sentence
        return sentence

    def syncs(self) -> list[str]:
        """The lock each installation so far took."""
        calls = self.uv_calls.read_text().splitlines() if self.uv_calls.exists() else []
        return [Path(call).name for call in calls if " sync " in call]


@pytest.fixture
def bookworm(tmp_path: Path) -> Host:
    return Host(tmp_path, "2.36")


@pytest.fixture
def trixie(tmp_path: Path) -> Host:
    return Host(tmp_path, "2.41")


# ---------------------------------------------------------------- which stack, which Python


def test_new_glibc_and_312_is_current(trixie: Host) -> None:
    trixie.python("bin/python3.10", "3.10")
    python = trixie.python("bin/python3.12", "3.12")
    assert trixie.choice() == (
        f"stack current (TFX 1.21.0, Python 3.12 at {python}): "
        "this host has glibc 2.41 and a Python 3.12"
    )


def test_old_glibc_is_legacy_even_with_312(bookworm: Host) -> None:
    bookworm.python("bin/python3.12", "3.12")
    python = bookworm.python("bin/python3.10", "3.10")
    assert bookworm.choice() == (
        f"stack legacy (TFX 1.16.0, Python 3.10 at {python}): "
        "this host has glibc 2.36, the current stack needs 2.39"
    )


def test_new_glibc_without_312_is_legacy(trixie: Host) -> None:
    trixie.python("bin/python3.10", "3.10")
    assert trixie.choice().endswith(": the current stack needs a Python 3.12 and there is none")


def test_312_without_headers_gives_way_to_a_whole_one(trixie: Host) -> None:
    trixie.python("bin/python3.12", "3.12", lacks="the C headers")
    whole = trixie.python(".pyenv/versions/3.12.4/bin/python3.12", "3.12")
    assert f"stack current (TFX 1.21.0, Python 3.12 at {whole})" in trixie.choice()


def test_312_without_headers_and_310_is_legacy_and_says_so(trixie: Host) -> None:
    flawed = trixie.python("bin/python3.12", "3.12", lacks="the C headers")
    trixie.python("bin/python3.10", "3.10")
    choice = trixie.choice()
    assert choice.startswith("stack legacy")
    assert choice.endswith(f"and Python 3.12 at {flawed} lacks the C headers")


def test_plain_python3_counts_by_its_version(bookworm: Host) -> None:
    python = bookworm.python("bin/python3", "3.10")
    assert f"Python 3.10 at {python}" in bookworm.choice()


def test_shim_that_fails_is_skipped(bookworm: Host) -> None:
    bookworm.script("bin/python3.10", "#!/bin/sh\necho 'pyenv: not found' >&2\nexit 127\n")
    python = bookworm.python(".pyenv/versions/3.10.13/bin/python3.10", "3.10")
    assert f"Python 3.10 at {python}" in bookworm.choice()


@pytest.mark.parametrize(
    ("place", "variable", "value"),
    [
        (".pyenv/versions/3.10.1/bin/python3.10", "", ""),
        ("pyenv root/versions/3.10.1/bin/python3.10", "PYENV_ROOT", "pyenv root"),
        (".local/share/uv/python/cpython-3.10.1-linux/bin/python3.10", "", ""),
        ("data/uv/python/cpython-3.10.1-linux/bin/python3.10", "XDG_DATA_HOME", "data"),
        ("pythons/cpython-3.10.1-linux/bin/python3.10", "UV_PYTHON_INSTALL_DIR", "pythons"),
    ],
)
def test_finds_pythons_off_path(bookworm: Host, place: str, variable: str, value: str) -> None:
    python = bookworm.python(place, "3.10")
    env = {variable: str(bookworm.base / value)} if variable else {}
    assert f"Python 3.10 at {python}" in bookworm.choice(**env)


def test_named_python_is_taken(trixie: Host) -> None:
    trixie.python("bin/python3.12", "3.12")
    python = trixie.python("elsewhere/python3.10", "3.10")
    assert trixie.choice(PYTHON=str(python)) == (
        f"stack legacy (TFX 1.16.0, Python 3.10 at {python}): PYTHON is a 3.10"
    )


def test_asked_stack_is_taken(trixie: Host) -> None:
    trixie.python("bin/python3.12", "3.12")
    trixie.python("bin/python3.10", "3.10")
    choice = trixie.choice(TFX_MOBILE_STACK="legacy")
    assert choice.startswith("stack legacy")
    assert choice.endswith(": TFX_MOBILE_STACK asks for it")


# ---------------------------------------------------------------- refusals, one sentence each


def test_no_python(bookworm: Host) -> None:
    bookworm.python("bin/python3", "3.11")
    sentence = bookworm.refusal("--print-choice")
    assert sentence.startswith("No Python 3.10 was found on PATH, under pyenv or uv: install one (")


def test_python_without_venv(bookworm: Host) -> None:
    python = bookworm.python("bin/python3.10", "3.10", lacks="the venv module and the C headers")
    assert bookworm.refusal("--print-choice") == (
        f"Python 3.10 at {python} lacks the venv module and the C headers: "
        "install python3.10-venv and python3.10-dev, then run this again."
    )


def test_asked_stack_that_cannot_be(bookworm: Host) -> None:
    bookworm.python("bin/python3.12", "3.12")
    assert bookworm.refusal(TFX_MOBILE_STACK="current") == (
        "TFX_MOBILE_STACK=current cannot be: "
        "this host has glibc 2.36, the current stack needs 2.39."
    )


def test_asked_stack_without_its_python(trixie: Host) -> None:
    trixie.python("bin/python3.10", "3.10")
    sentence = trixie.refusal("--print-choice", TFX_MOBILE_STACK="current")
    assert sentence.startswith("No Python 3.12 was found")


def test_asked_stack_against_named_python(trixie: Host) -> None:
    python = trixie.python("bin/python3.12", "3.12")
    sentence = trixie.refusal(TFX_MOBILE_STACK="legacy", PYTHON=str(python))
    assert sentence.endswith("contradict each other: that Python is a 3.12.")


def test_unknown_stack_is_wrong_usage(bookworm: Host) -> None:
    sentence = bookworm.refusal(code=2, TFX_MOBILE_STACK="newest")
    assert sentence == "TFX_MOBILE_STACK is current or legacy, not 'newest'."


def test_unknown_argument_is_wrong_usage(bookworm: Host) -> None:
    assert bookworm.refusal("--fast", code=2).startswith("usage: sh requirements/setup.sh")


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ("3.11", "is a 3.11, and the stacks need 3.12 or 3.10."),
        (
            "3.12",
            "glibc 2.36, the current stack needs 2.39: give it a Python 3.10.",
        ),
    ],
)
def test_named_python_that_does_not_fit(bookworm: Host, version: str, sentence: str) -> None:
    python = bookworm.python("elsewhere/python", version)
    assert bookworm.refusal(PYTHON=str(python)).endswith(sentence)


def test_named_python_that_does_not_run(bookworm: Host) -> None:
    assert bookworm.refusal(PYTHON="python3.10") == "PYTHON=python3.10 does not run."


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64")])
def test_other_machines(bookworm: Host, system: str, machine: str) -> None:
    bookworm.script("bin/uname", f'#!/bin/sh\n[ "$1" = -s ] && echo {system} || echo {machine}\n')
    assert bookworm.refusal().startswith(f"TFX has no packages for {system}-{machine}:")


def test_musl(bookworm: Host) -> None:
    bookworm.script("bin/getconf", "#!/bin/sh\necho 'getconf: unknown' >&2\nexit 1\n")
    assert "needs glibc and this host has another C library" in bookworm.refusal()


def test_glibc_too_old_for_both(tmp_path: Path) -> None:
    host = Host(tmp_path, "2.17")
    assert "glibc 2.17 and TFX needs 2.28" in host.refusal()


def test_no_compiler(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10", cxx="g++")
    sentence = bookworm.refusal()
    assert sentence.startswith("No C++ compiler was found")
    assert "apt-get install g++" in sentence
    assert not bookworm.venv.exists()


def test_disk_too_full(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.script("bin/df.full", "#!/bin/sh\necho header\necho 'fs 9999999 9 102400 99% /'\n")
    (bookworm.bin / "df").unlink()
    (bookworm.bin / "df.full").rename(bookworm.bin / "df")
    assert "needs 4 GB and 100 MB are free" in bookworm.refusal()
    assert bookworm.syncs() == []


def test_directory_of_somebody_else(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    (bookworm.venv / "bin").mkdir(parents=True)
    assert "exists and this script did not make it" in bookworm.refusal()
    assert (bookworm.venv / "bin").exists()


def test_place_that_cannot_be_written(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    assert bookworm.refusal(VENV="/proc/venv").startswith("Cannot write to /proc/venv:")


# ---------------------------------------------------------------- install once, heal, mend


def test_second_call_installs_nothing(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    first = bookworm.setup()
    assert first.returncode == 0, first.stderr
    assert [line.split()[0] for line in first.stdout.splitlines()] == ["stack", "making", "ready"]
    before = bookworm.stamp.stat().st_mtime_ns
    second = bookworm.setup()
    assert second.stdout == first.stdout.splitlines(keepends=True)[0]
    assert bookworm.stamp.stat().st_mtime_ns == before
    assert bookworm.syncs() == ["legacy.txt"]


def test_every_package_comes_with_a_hash(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    calls = bookworm.uv_calls.read_text().splitlines()
    assert len(calls) == 3
    for call in calls:
        assert "--require-hashes" in call or ("--offline" in call and "--no-deps" in call)


def test_dev_adds_to_what_is_there_and_stays(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    assert "updating" in bookworm.setup("--dev").stdout
    assert len(bookworm.setup().stdout.splitlines()) == 1
    assert len(bookworm.setup("--dev").stdout.splitlines()) == 1
    assert bookworm.syncs() == ["legacy.txt", "legacy-dev.txt"]


def test_changed_lock_is_installed(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    with (bookworm.checkout / "requirements/legacy.txt").open("a") as lock:
        lock.write("# changed\n")
    assert "updating" in bookworm.setup().stdout
    assert len(bookworm.setup().stdout.splitlines()) == 1


@pytest.mark.parametrize("file", ["pyproject.toml", "modules/precedence.py"])
def test_changed_project_touches_no_package(bookworm: Host, file: str) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    with (bookworm.checkout / file).open("a") as project:
        project.write("# changed\n")
    assert "updating" in bookworm.setup().stdout
    assert len(bookworm.setup().stdout.splitlines()) == 1
    assert bookworm.syncs() == ["legacy.txt"]
    assert "--offline" in bookworm.uv_calls.read_text().splitlines()[-1]


def test_update_that_fails_keeps_what_is_there(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    before = bookworm.stamp.read_text()
    assert bookworm.setup("--dev", UV_SYNC="exit 1").returncode == 1
    assert bookworm.stamp.read_text() == before
    assert len(bookworm.setup().stdout.splitlines()) == 1


def test_killed_update_is_made_anew(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    assert bookworm.setup("--dev", UV_SYNC="kill -9 $PPID").returncode == -9
    assert "making" in bookworm.setup().stdout
    assert not bookworm.stamp.with_suffix(".stamp.old").exists()


def test_killed_installation_heals(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    assert bookworm.setup(UV_SYNC="kill -9 $PPID").returncode == -9
    (bookworm.venv / "half-written").touch()
    again = bookworm.setup()
    assert [line.split()[0] for line in again.stdout.splitlines()] == ["stack", "making", "ready"]
    assert not (bookworm.venv / "half-written").exists()


def test_failed_installation_shows_why_and_heals(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    failed = bookworm.setup(UV_SYNC="echo 'no route to host' >&2; exit 1")
    assert failed.returncode == 1
    assert "no route to host" in failed.stderr
    assert failed.stderr.strip().splitlines()[-1].startswith("Installing the packages failed")
    assert "ready" in bookworm.setup().stdout


def test_moved_checkout_is_mended(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    bookworm.checkout = bookworm.checkout.rename(bookworm.base / "moved")
    assert "making" in bookworm.setup().stdout
    assert len(bookworm.setup().stdout.splitlines()) == 1


def test_vanished_python_is_replaced(bookworm: Host) -> None:
    old = bookworm.python("bin/python3.10", "3.10")
    bookworm.setup()
    old.unlink()
    (bookworm.venv / "bin/python").unlink()
    new = bookworm.python(".pyenv/versions/3.10.2/bin/python3.10", "3.10")
    assert f"Python 3.10 at {new}" in bookworm.setup().stdout
    assert len(bookworm.setup().stdout.splitlines()) == 1


def test_other_stack_replaces_the_environment(trixie: Host) -> None:
    trixie.python("bin/python3.12", "3.12")
    trixie.python("bin/python3.10", "3.10")
    trixie.setup()
    assert "making" in trixie.setup(TFX_MOBILE_STACK="legacy").stdout
    assert trixie.setup().stdout.startswith("stack legacy")
    assert trixie.syncs() == ["current.txt", "legacy.txt"]


def test_home_that_cannot_be_written(bookworm: Host) -> None:
    bookworm.python("bin/python3.10", "3.10")
    cache = bookworm.base / "cache"
    seen = bookworm.setup(HOME="/proc", UV_SYNC=f'echo "$UV_CACHE_DIR" >"{cache}"')
    assert seen.returncode == 0, seen.stderr
    assert cache.read_text().strip() == str(bookworm.venv / "cache")
    assert not (bookworm.venv / "cache").exists()


def test_last_resort_is_a_python_from_uv(bookworm: Host) -> None:
    source = bookworm.python("python.fake", "3.10")
    target = bookworm.base / ".local/share/uv/python/cpython-3.10/bin/python3.10"
    fake = f'#!/bin/sh\nmkdir -p "{target.parent}"\ncp "{source}" "{target}"\n'
    bookworm.script("bin/uv", fake)
    done = bookworm.setup()
    assert done.returncode == 0, done.stderr
    assert f"stack legacy (TFX 1.16.0, Python 3.10 at {target})" in done.stdout


# --------------------------------------------------------------the locks, and the real environment


@pytest.mark.parametrize(
    "lock", sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
)
def test_locks_name_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("stack", ["current", "legacy"])
def test_dev_lock_only_adds(stack: str) -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return {line.split()[0] for line in lines if "==" in line}

    assert pins(f"{stack}.txt") < pins(f"{stack}-dev.txt")
    assert pins("build.txt") < pins(f"{stack}.txt")


@pytest.mark.skipif(
    not (Path(sys.prefix) / "tfx-mobile.stamp").exists(),
    reason="these tests run in an environment that setup.sh did not make",
)
def test_real_environment_gives_our_packages_precedence() -> None:
    file = Path(sysconfig.get_path("purelib"), "tfx_mobile.pth")
    assert repr(str(ROOT / "modules" / "precedence.py")) in file.read_text()


@pytest.mark.skipif(
    not (Path(sys.prefix) / "tfx-mobile.stamp").exists(),
    reason="these tests run in an environment that setup.sh did not make",
)
def test_real_environment_is_ready_at_once() -> None:
    stamp = Path(sys.prefix) / "tfx-mobile.stamp"
    before = stamp.stat().st_mtime_ns
    env = os.environ | {"VENV": sys.prefix}
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run(
            ["sh", str(ROOT / "requirements/setup.sh"), "--dev"],
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds.append(time.perf_counter() - started)
        assert len(done.stdout.splitlines()) == 1
        assert done.stdout.startswith("stack ")
    assert stamp.stat().st_mtime_ns == before
    assert min(seconds) < 0.3
