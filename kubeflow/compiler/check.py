"""What is wrong with a specification, before anyone uploads it."""

import re
from collections.abc import Iterator
from typing import Any

from kubeflow.spec import Spec
from pipelines.errors import SettingsError
from pipelines.messages import SECRET_NAME

_NODE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_GIT_SHA_OR_VERSION = re.compile(r":([0-9a-f]{7,64}|v?\d+\.\d+\.\d+([.+-][\w.+-]*)?)$")
_IMAGE = re.compile(
    r"([a-z0-9.-]+(:\d+)?/)?"  # the registry
    r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "STRING": (str,),
}
_SECRET_VALUE = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|AIza[\w-]{35}|gh[pousr]_\w{36}"
    r"|xox[baprs]-[\w-]{10,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.|://[^/\s:@]+:[^/\s:@]+@"
)


def image(reference: str, allow_mutable_tag: bool) -> None:
    """Refuses an image that may be another one tomorrow: KFP's cache takes it for the same.

    Raises:
      SettingsError: No image, no valid reference, or a tag that moves.
    """
    if not reference:
        raise SettingsError("no image is given: use --image, or the setting kubeflow.image")
    if not _IMAGE.fullmatch(reference):
        raise SettingsError(
            f"{reference!r} is not an image: write REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST"
        )
    if _DIGEST.search(reference) or _GIT_SHA_OR_VERSION.search(reference) or allow_mutable_tag:
        return
    raise SettingsError(
        f"the tag of {reference} may be moved to another image, and KFP's cache would not notice: "
        "give a digest (NAME@sha256:...), a version (1.2.3) or a git revision as tag, or say "
        "--allow-mutable-tag"
    )


def spec(made: Spec) -> None:
    """Refuses what KFP would reject, or accept and then fail on.

    Raises:
      SettingsError: Names the task or parameter, and what is wrong.
    """
    for problem in (*_names(made), *_parameters(made), *_executors(made), *_secrets(made)):
        raise SettingsError(problem)


def _names(made: Spec) -> Iterator[str]:
    for node_id in made["root"]["dag"]["tasks"]:
        if not _NODE.fullmatch(node_id):
            yield (
                f"the task {node_id!r} cannot run: Argo takes a-z, 0-9 and dashes only, and says "
                "so no earlier than when a run is created"
            )


def _parameters(made: Spec) -> Iterator[str]:
    form = made["root"]["inputDefinitions"]["parameters"]
    for name, definition in form.items():
        if "defaultValue" not in definition:
            yield f"the run's parameter {name!r} has no default"
        elif not _fits(definition["defaultValue"], definition["parameterType"]):
            yield (
                f"the default of the run's parameter {name!r} is {definition['defaultValue']!r}, "
                f"which is no {definition['parameterType']}"
            )
    for node_id, task in made["root"]["dag"]["tasks"].items():
        declared = made["components"][task["componentRef"]["name"]].get("inputDefinitions", {})
        for name, given in task.get("inputs", {}).get("parameters", {}).items():
            definition = declared.get("parameters", {}).get(name)
            if definition is None:
                yield f"the task {node_id!r} is given a parameter {name!r} that it does not declare"
                continue
            wanted = definition["parameterType"]
            source = given.get("componentInputParameter")
            if source is not None and form.get(source, {}).get("parameterType") != wanted:
                yield (
                    f"the task {node_id!r} takes {name!r} as {wanted}, and the run's parameter "
                    f"{source!r} is not one"
                )
            constant = given.get("runtimeValue", {}).get("constant")
            if constant is not None and not _fits(constant, wanted):
                yield f"the task {node_id!r} is given {constant!r} for {name!r}, not a {wanted}"


def _fits(value: Any, parameter_type: str) -> bool:
    if parameter_type == "NUMBER_INTEGER" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _PYTHON_TYPES[parameter_type]) and not isinstance(value, bool)


def _executors(made: Spec) -> Iterator[str]:
    for label, executor in made["deploymentSpec"]["executors"].items():
        if "resolver" in executor:
            yield f"{label} is a resolver, which open-source KFP cannot run"
        elif "container" in executor and "lifecycle" in executor["container"]:
            yield f"{label} has a pre-cache check, which open-source KFP never runs"


def _secrets(made: Spec) -> Iterator[str]:
    for path, value in _texts(made, ""):
        if _SECRET_VALUE.search(value):
            yield f"{path} looks like a secret: give it as kubeflow.secrets, by reference"
    for label, executor in made["deploymentSpec"]["executors"].items():
        for variable in executor.get("container", {}).get("env", []):
            if SECRET_NAME.search(variable["name"]) and not variable["name"].endswith("_FILE"):
                yield (
                    f"the environment variable {variable['name']} of {label} looks like a secret: "
                    "give it as kubeflow.secrets, by reference"
                )


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{index}]")
