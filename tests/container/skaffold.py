"""The schema of Skaffold's configuration files."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

# The release that brought the apiVersion of our files; its module holds the schema.
_MODULE = "github.com/GoogleContainerTools/skaffold/v2@v2.13.2"


def schema(api_version: str, directory: Path) -> dict[str, Any]:
    """The JSON schema of an `apiVersion`; skips the test where Go cannot fetch it.

    Args:
      api_version: As the file has it.
      directory: Any that is in no Go module.
    """
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        pytest.skip("Skaffold's schema comes with its Go module and there is no Go.")
    done = subprocess.run(
        [go, "mod", "download", "-json", _MODULE], cwd=directory, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"Skaffold's Go module cannot be had: {done.stdout}{done.stderr}")
    schemas = Path(json.loads(done.stdout)["Dir"], "docs-v2/content/en/schemas")
    file = schemas / f"{api_version.removeprefix('skaffold/')}.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
