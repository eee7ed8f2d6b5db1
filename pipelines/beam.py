"""How Beam runs: in one process, or several."""

import os

_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
"""Named outright: Beam's default first looks for its Prism runner, a download."""

_PARALLEL_FROM = 500_000
"""Examples from which several processes pay for their start.

Extrapolated: on two cores, two processes still took 62 s longer than one for 120,000 examples
(`benchmarks/results/beam_workers.json`).
"""


def pipeline_args(workers: int, examples: int) -> list[str]:
    """Beam's arguments: in this process for small data, several processes for large.

    Args:
      workers: Processes; 0 decides by size.
      examples: How many there are.
    """
    if workers == 0:
        workers = (os.cpu_count() or 1) if examples >= _PARALLEL_FROM else 1
    # Any image name keeps TFX from packing its own sources for workers elsewhere, which takes a
    # second or two for each component (`tfx.utils.dependency_utils.make_beam_dependency_flags`).
    # The components' transforms are TFX's own and their types are known to fit: checking them at
    # each start takes as long as running them on small data.
    arguments = [
        f"--runner={_RUNNER}",
        "--sdk_container_image=none",
        "--no_pipeline_type_check",
    ]
    if workers == 1:
        return arguments
    return [
        *arguments,
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={workers}",
    ]
