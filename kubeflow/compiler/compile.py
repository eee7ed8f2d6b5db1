"""`compile`: from settings to the YAML file that is uploaded."""

from typing import TYPE_CHECKING, Any

import yaml

from kubeflow.compiler import check, finish, platform, tfx_spec
from pipelines.settings import Settings

if TYPE_CHECKING:
    from modules.task import Task


def compile_pipeline(settings: Settings, task: "Task", image: str) -> list[dict[str, Any]]:
    """The documents of the file: the specification, and the platform's where asked for.

    Args:
      settings: Of the pipeline.
      task: What it learns; see `kubeflow.compiler.task.choose`.
      image: The container image of every task of the pipeline.

    Raises:
      SettingsError: The specification would not run.
    """
    spec = finish.finish(tfx_spec.build(settings, task, image), settings, task, image)
    check.spec(spec)
    document = platform.build(spec, settings)
    return [spec] if document is None else [spec, document]


def to_yaml(documents: list[dict[str, Any]]) -> str:
    """The same documents are the same bytes."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and nothing as a reference to another place."""

    def ignore_aliases(self, data: Any) -> bool:
        """KFP's UI shows the file to people."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, "|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
