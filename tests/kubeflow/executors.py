"""Executors for tests of the adapter: what they do is in the class's name."""

import atexit
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import artifact_utils

Artifacts = dict[str, list[types.Artifact]]


class Tell(BaseExecutor):
    """Writes down what it was given and what it found in its output directory."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        directory = Path(artifact_utils.get_single_uri(outputs["model"]))
        told = {
            "found": sorted(os.listdir(directory)),
            "properties": properties,
            "types": {key: type(value[0]).__name__ for key, value in inputs.items()},
        }
        (directory / "told.json").write_text(json.dumps(told))
        # As a library that is taken down in the wrong order.
        atexit.register(os.abort)


class Sleep(BaseExecutor):
    """Never ends, and does not listen."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        directory = Path(artifact_utils.get_single_uri(outputs["model"]))
        (directory / "pid").write_text(str(os.getpid()))
        time.sleep(3600)


class Crash(BaseExecutor):
    """Ends as a fault in C++ does."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class Fail(BaseExecutor):
    """Raises."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        raise ValueError("the executor's own words")


class FailAsBeam(BaseExecutor):
    """Raises what Beam does where another process of its failed."""

    def Do(self, inputs: Artifacts, outputs: Artifacts, properties: dict[str, Any]) -> None:
        raise RuntimeError(
            "Traceback (most recent call last):\n"
            '  File "apache_beam/runners/common.py", line 1499, in process\n'
            "ValueError: the value 7 is wrong\nof all [while running 'Mine']\n"
        )
