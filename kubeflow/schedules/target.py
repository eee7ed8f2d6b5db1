"""A schedule of the file with its names looked up: what a recurring run is made from."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from kubeflow.client.pipelines import Version
from kubeflow.package import LATEST
from kubeflow.parameters import Value
from kubeflow.schedules.file import Schedule
from pipelines.errors import SettingsError
from pipelines.settings import Settings

_LOOKED_UP = {"version", "parameters"}
_CHANGEABLE = {"enabled", "time_zone"}
_DIGITS = 12


@dataclasses.dataclass(frozen=True)
class Target:
    """What a recurring run is made from.

    Attributes:
      schedule: The schedule of the file.
      pipeline_id: The pipeline's ID.
      version_id: The version's ID; empty for the latest at each run.
      arguments: The parameters, typed.
      experiment: Name of the experiment that its runs belong to.
      service_account: The account of its runs' pods; empty for KFP's own default.
      experiment_id: The experiment's ID; empty while there is no such experiment.
    """

    schedule: Schedule
    pipeline_id: str
    version_id: str
    arguments: Mapping[str, Value]
    experiment: str
    service_account: str
    experiment_id: str = ""

    @property
    def name(self) -> str:
        """The schedule's name."""
        return self.schedule.name

    @property
    def digest(self) -> str:
        """A hash of everything that cannot be changed later.

        Values that equal their default are left out, so that a field which a release adds changes
        the digest only of schedules that use it.
        """
        schedule = self.schedule.model_dump(
            mode="json", exclude_defaults=True, exclude=_LOOKED_UP | _CHANGEABLE
        )
        others = {
            "pipeline_id": self.pipeline_id,
            "version_id": self.version_id,
            "parameters": dict(self.arguments),
            "experiment": self.experiment,
            "service_account": self.service_account,
        }
        content = {**schedule, **{key: value for key, value in others.items() if value}}
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    @property
    def description(self) -> str:
        """The recurring run's description, which ends with the mark of `recurring_run.MARK`."""
        return f"{self.schedule.description} [tfx-mobile {self.digest}]".strip()


def resolve(schedule: Schedule, version: Version, settings: Settings, experiment_id: str) -> Target:
    """A schedule of the file, the version that it names, and the experiment of the settings.

    Raises:
      SettingsError: The pipeline does not have a parameter, or its value is wrong.
    """
    try:
        arguments = version.package.arguments(schedule.parameters)
    except SettingsError as error:
        raise SettingsError(f"schedule {schedule.name}: {error}") from None
    return Target(
        schedule,
        version.pipeline_id,
        "" if schedule.version == LATEST else version.version_id,
        arguments,
        settings.experiment,
        settings.cluster.service_account,
        experiment_id,
    )
