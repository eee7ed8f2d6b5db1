"""How Beam runs: in one process, in several, or on a cluster through a job server."""

import contextlib
import logging
import os
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.errors import EnvironmentLacksError, TfxMobileError
from pipelines.settings import Beam

_DIRECT = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""Named outright: Beam's default first looks for its Prism runner, a download."""

_ENDPOINT = "TFX_MOBILE_BEAM_JOB_ENDPOINT"
"""Where a run tells its processes the address of the job server that it started."""


def pipeline_args(beam: Beam) -> list[Any]:
    """Beam's arguments for every component: texts, and for an address a placeholder of TFX."""
    runner, of_runner = _direct(beam) if beam.runner == "direct" else _portable(beam)
    return [
        f"--runner={runner}",
        # Any image name keeps TFX from packing its own sources for workers elsewhere, which takes
        # seconds for each component (`tfx.utils.dependency_utils.make_beam_dependency_flags`).
        "--sdk_container_image=none",
        # The components' transforms are TFX's own and their types are known to fit: checking them
        # at each start takes as long as running them on small data.
        "--no_pipeline_type_check",
        *of_runner,
        *beam.options,
    ]


def check_workers(beam: Beam) -> None:
    """Refuse several processes on this machine where Beam cannot start them, and would wait.

    `FnApiRunner.run_pipeline` puts the interpreter's path into a shell command as it is.

    Raises:
      EnvironmentLacksError: The path has a space, or another character that a shell takes.
    """
    if beam.runner != "direct" or beam.workers <= 1:
        return
    if shlex.quote(sys.executable) != sys.executable:
        raise EnvironmentLacksError(
            f"Beam cannot start several workers from {sys.executable}, because the path holds a "
            "character that a shell takes, such as a space: set beam.workers=1, or move the "
            "checkout and make its environment again"
        )


def _direct(beam: Beam) -> tuple[str, list[Any]]:
    """In this process unless the settings say otherwise.

    On two cores, two processes took no less time and more than twice the memory for up to a million
    images of MNIST's size (docs/performance.md).
    """
    if beam.workers <= 1:
        return _DIRECT, []
    return _DIRECT, [
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={beam.workers}",
    ]


def _portable(beam: Beam) -> tuple[str, list[Any]]:
    """Through a job server, whichever it is."""
    from tfx.dsl.placeholder import placeholder

    # The port is another one in each run, and arguments are part of TFX's cache key.
    endpoint = beam.job_endpoint or placeholder.environment_variable(_ENDPOINT)
    arguments = ["--job_endpoint=" + endpoint, f"--environment_type={beam.environment}"]
    if beam.environment_config:
        arguments.append(f"--environment_config={beam.environment_config}")
    return "PortableRunner", arguments


@contextlib.contextmanager
def job_server(beam: Beam) -> Iterator[None]:
    """The job server of a run, while the block runs; none where the runner needs none.

    One for all components: Beam itself would start one for each, and keep them all to the end.
    This process and those it starts from now on know its address.

    Raises:
      EnvironmentLacksError: There is no Java, or no such jar.
      TfxMobileError: The server does not start.
    """
    if beam.runner not in ("flink", "spark"):
        yield
        return
    jar = Path(beam.job_server_jar)
    if not jar.is_file():
        raise EnvironmentLacksError(
            f"beam.job_server_jar is {jar}, and there is no such file: docs/beam.md says where "
            "Beam's job servers come from"
        )
    if shutil.which("java") is None:
        raise EnvironmentLacksError(
            f"beam.runner is {beam.runner}, which starts Java, and there is no java on PATH: "
            "install Java 11 or 17"
        )
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.flink_runner import FlinkJarJobServer
    from apache_beam.runners.portability.spark_runner import SparkJarJobServer

    port = _free_port()
    master = "[local]" if (beam.runner, beam.master) == ("flink", "local") else beam.master
    given = {"flink": "flink_master", "spark": "spark_master_url"}[beam.runner]
    options = PipelineOptions(
        [
            f"--{beam.runner}_job_server_jar={jar}",
            f"--{given}={master}",
            f"--job_port={port}",
            *beam.options,
        ]
    )
    server = (FlinkJarJobServer if beam.runner == "flink" else SparkJarJobServer)(options)
    # Java's own log comes as records of this logger.
    logging.getLogger(type(server).__name__).setLevel(logging.INFO)
    try:
        server.start()
    except RuntimeError as error:
        raise TfxMobileError(
            f"Beam's job server {jar} ended while it started ({error}): the log has its words"
        ) from error
    os.environ[_ENDPOINT] = f"localhost:{port}"
    try:
        yield
    finally:
        del os.environ[_ENDPOINT]
        server.stop()


def _free_port() -> int:
    with socket.create_server(("localhost", 0)) as listener:
        return int(listener.getsockname()[1])
