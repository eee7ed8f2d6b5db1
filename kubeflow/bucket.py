"""`python -m kubeflow.bucket SETTINGS`: makes the buckets that a settings file names."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from kubeflow import pod_guard, storage
from pipelines import settings
from pipelines.settings import Kubeflow


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the buckets that are not there; ends with one sentence and a code where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m kubeflow.bucket", description=__doc__)
    parser.add_argument("settings", type=Path, help="a YAML file of settings")
    parser.add_argument(
        "--location", default="", help="where to make buckets: a region of the store"
    )
    options = parser.parse_args(arguments)
    with pod_guard.explained():
        run(settings.load(options.settings).kubeflow, options.location)


def run(kubeflow: Kubeflow, location: str = "") -> None:
    """Makes the buckets of the pipeline root, the data and the pushed models.

    The stores are reached as the pipeline's tasks do: with the variables of `kubeflow.environment`.

    Raises:
      StorageError: A store cannot be reached, or refuses.
    """
    reach = storage.Options.from_environment({**kubeflow.environment, **os.environ})
    for uri in _places(kubeflow):
        was_made = storage.make_bucket(uri, reach, location)
        print(f"the bucket of {uri} {'was made' if was_made else 'is there'}")


def _places(kubeflow: Kubeflow) -> list[str]:
    """One URI of each bucket."""
    named = (kubeflow.pipeline_root, kubeflow.data, kubeflow.push_to)
    return list({"/".join(uri.split("/")[:3]): uri for uri in named if "://" in uri}.values())


if __name__ == "__main__":
    main()
