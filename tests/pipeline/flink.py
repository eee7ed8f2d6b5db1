"""Beam's job server with a Flink inside, which takes Java and Maven."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

_POM = Path(__file__).with_name("flink.xml")
_MAIN = "org.apache.beam.runners.flink.FlinkJobServerDriver"


def job_server(directory: Path) -> Path:
    """Makes a jar that `java -jar` starts; Maven keeps what it is made of in its own repository.

    Skips where that cannot be; CI has Java, Maven and a repository.
    """
    missing = [program for program in ("java", "mvn") if shutil.which(program) is None]
    if missing:
        _give_up(f"Beam's job server takes Java and Maven, and there is no {missing[0]}")
    parts = directory / "classpath"
    command = ["mvn", "--quiet", "--batch-mode", "--file", str(_POM)]
    command += ["dependency:build-classpath", f"-Dmdep.outputFile={parts}"]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        _give_up(f"Maven cannot fetch Beam's job server: {made.stdout[-500:]}")
    jar = directory / "job-server.jar"
    entries = [Path(part).as_uri() for part in parts.read_text().strip().split(os.pathsep)]
    manifest = {
        "Manifest-Version": "1.0",
        "Main-Class": _MAIN,
        "Class-Path": " ".join(entries),
    }
    with zipfile.ZipFile(jar, "w") as archive:
        lines = [_line(name, value) for name, value in manifest.items()]
        archive.writestr("META-INF/MANIFEST.MF", "".join(lines))
    return jar


def _line(name: str, value: str) -> str:
    """Lines of a manifest go on after a line break and a space."""
    text = f"{name}: {value}"
    rest = [text[i : i + 71] for i in range(72, len(text), 71)]
    return "\n ".join([text[:72], *rest]) + "\n"


def _give_up(reason: str) -> None:
    assert os.environ.get("CI") != "true", reason
    pytest.skip(reason)
