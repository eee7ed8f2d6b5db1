"""What KFP's API server reads in a pipeline's specification, and checks against it."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from tests.kubeflow.client.api_refusal import internal, invalid, invalid_spec

_NUMBER = "type double or integer, but the parameter value is not of number value type"
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "NUMBER_DOUBLE": ((int, float), _NUMBER),
    "NUMBER_INTEGER": ((int, float), _NUMBER),
    "STRING": ((str,), "type string, but the input parameter is not of string value type"),
    "BOOLEAN": ((bool,), "type bool, but the input parameter is not of bool value type"),
    "LIST": ((list,), "type list, but the input parameter is not of list value type"),
    "STRUCT": ((dict,), "type struct, but the input parameter is not of struct value type"),
}
_NODE = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")


@dataclasses.dataclass(frozen=True)
class Task:
    """A task of the root DAG."""

    name: str
    needs: tuple[str, ...]
    is_importer: bool


@dataclasses.dataclass(frozen=True)
class Spec:
    """A specification that the server took."""

    pipeline: Any
    platform: Any | None

    @classmethod
    def read(cls, text: str) -> "Spec":
        """Reads what was uploaded.

        Raises:
          Refusal: The server would not take it.
        """
        try:
            documents = [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]
        except yaml.YAMLError:
            raise invalid_spec("unknown template format") from None
        return cls.of(documents)

    @classmethod
    def sent(cls, message: Mapping[str, Any]) -> "Spec":
        """Reads what came within a request to run it.

        Raises:
          Refusal: The server would not take it.
        """
        both = [message.get("pipeline_spec"), message.get("platform_spec")]
        return cls.of([part for part in both if part] or [message])

    @classmethod
    def of(cls, documents: list[Any]) -> "Spec":
        """Finds the specification, and the one of the platform, among documents.

        Raises:
          Refusal: The server would not take it.
        """
        pipelines, platforms = [], []
        for document in documents:
            if (found := _parsed(document, pipeline_spec_pb2.PipelineSpec())) is not None and (
                found.pipeline_info.name and found.HasField("root")
            ):
                pipelines.append(found)
            elif (other := _parsed(document, pipeline_spec_pb2.PlatformSpec())) is not None and (
                "kubernetes" in other.platforms
            ):
                platforms.append(other)
        if not pipelines:
            raise invalid_spec("unknown template format")
        if len(pipelines) > 1:
            raise invalid_spec("multiple pipeline specs provided")
        (spec,) = pipelines
        if spec.schema_version != "2.1.0":
            raise invalid_spec(
                "KFP only supports schema version 2.1.0, "
                f"but the pipeline spec has version {spec.schema_version}"
            )
        return cls(spec, platforms[0] if platforms else None)

    @property
    def name(self) -> str:
        """The pipeline's own name."""
        return str(self.pipeline.pipeline_info.name)

    def check_name(self) -> None:
        """Checks what ML Metadata asks of the name.

        Raises:
          Refusal: It is too long, or not of the right characters.
        """
        if len(self.name) > 128:
            raise invalid("pipeline's name must contain no more than 128 characters")
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", self.name):
            raise invalid(
                "pipeline's name must contain only lowercase alphanumeric characters or '-' "
                "and must start with alphanumeric characters"
            )

    def as_json(self) -> dict[str, Any]:
        """As the API returns it: with the platform's, it is one level deeper."""
        spec: dict[str, Any] = _shortest(json_format.MessageToDict(self.pipeline))
        if self.platform is None:
            return spec
        platform = _shortest(json_format.MessageToDict(self.platform))
        return {"pipeline_spec": spec, "platform_spec": platform}

    def tasks(self) -> list[Task]:
        """The tasks of the root DAG, none before one that it needs."""
        executors = self.pipeline.deployment_spec.fields["executors"].struct_value.fields
        left = {}
        for name, task in self.pipeline.root.dag.tasks.items():
            label = self.pipeline.components[task.component_ref.name].executor_label
            is_importer = "importer" in executors[label].struct_value.fields if label else False
            left[name] = Task(name, tuple(sorted(task.dependent_tasks)), is_importer)
        done: list[Task] = []
        while left:
            ready = sorted(name for name, task in left.items() if not set(task.needs) & set(left))
            if not ready:
                raise ValueError(f"tasks need each other: {sorted(left)}")
            done += [left.pop(name) for name in ready]
        return done

    def check_parameters(self, given: Mapping[str, Any]) -> None:
        """Checks the parameters of a run.

        Raises:
          Refusal: One is missing, of another type, or unknown.
        """
        wanted = self.pipeline.root.input_definitions.parameters
        for name in sorted(wanted):
            parameter = wanted[name]
            if name in given:
                kind = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(
                    parameter.parameter_type
                )
                _check_type(name, kind, given[name])
            elif not parameter.is_optional and not parameter.HasField("default_value"):
                raise invalid(
                    f"parameter {name} is not optional, yet has neither default value "
                    "nor user provided value"
                )
        if unknown := sorted(set(given) - set(wanted)):
            raise invalid(
                f"parameter(s) provided are not required by pipeline: {', '.join(unknown)}"
            )

    def check_nodes(self) -> None:
        """Checks what Argo asks of the names of tasks, when a run is created and not before.

        Raises:
          Refusal: Argo would not take one.
        """
        for number, name in enumerate(sorted(self.pipeline.root.dag.tasks)):
            if not _NODE.fullmatch(name):
                raise internal(
                    "Failed to validate workflow for ()",
                    "templates.entrypoint.tasks.root "
                    f"templates.root.tasks[{number}].name: '{name}' is invalid: name must consist "
                    "of alpha-numeric characters or '-', and must start with an alpha-numeric "
                    "character (e.g. My-name1-2, 123-NAME)",
                )


def _shortest(value: Any) -> Any:
    """Numbers without a point where they need none, as Go writes them."""
    if isinstance(value, dict):
        return {key: _shortest(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortest(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parsed(document: Any, message: Any) -> Any | None:
    try:
        return json_format.ParseDict(document, message)
    except (json_format.ParseError, AttributeError, TypeError, ValueError):
        return None


def _check_type(name: str, kind: str, value: Any) -> None:
    if kind == "PARAMETER_TYPE_ENUM_UNSPECIFIED":
        raise invalid(f"input parameter {name} has unspecified type")
    if kind == "TASK_FINAL_STATUS":
        raise invalid(
            f"input parameter {name} requires type TASK_FINAL_STATUS, "
            "which is invalid for root component"
        )
    types, words = _TYPES[kind]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise invalid(f"input parameter {name} requires {words}")
