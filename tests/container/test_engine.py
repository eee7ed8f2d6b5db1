"""The tests' own daemon goes away with all that it made."""

from pathlib import Path

import pytest

from tests.container.engine import CACHE, Engine


def _processes() -> str:
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(process.read_text().replace("\0", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "\n".join(lines)


def test_an_engine_leaves_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE, raising=False)
    with Engine() as another:
        place = another.host.removeprefix("unix://").removesuffix("/docker.sock")
        assert another.host != engine.host
        assert another.docker("image", "ls", "--quiet").stdout == ""
        assert place in _processes()
        assert Path(place, "exec").is_dir()

    assert not Path(place).exists()
    assert place not in Path("/proc/mounts").read_text()
    assert place not in _processes()
    assert engine.docker("version").returncode == 0
