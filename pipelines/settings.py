"""Typed settings: one YAML file plus `key=value` overrides, every value checked and named.

A settings file holds any part of this, which are the defaults:

    name: mnist
    data: {source: auto, eval_fraction: 0.2}
    training: {preset: auto, steps: 5000, batch_size: 40, learning_rate: 0.0015, seed: 1}
    evaluation: {min_accuracy: 0.8}
    branches: [keras, lite]

Texts are taken as they are written: where a text is wanted, an unquoted number is refused.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from pipelines import paths, yaml_text
from pipelines.errors import SettingsError
from pipelines.messages import SECRET_NAME
from pipelines.yaml_text import Document, Location

BASELINE = "keras"
"""The branch that every other one is compared with."""

BUILT_IN_SOURCES = ("auto", "digits", "mnist")
"""Values of `data.source` that are no directories. Their examples are MNIST's."""

_INT32 = 2**31 - 1
"""Largest number of steps and examples: TFX keeps steps in an int32."""
_INT64 = 2**63 - 1
_LARGEST_PORT = 65_535
_FLOAT32 = (1.1754943508222875e-38, 3.4028234663852886e38)
"""The smallest and the largest number, without what TensorFlow may flush to zero."""


def _fits_float32(number: float) -> float:
    smallest, largest = _FLOAT32
    if not smallest <= number <= largest:
        raise ValueError(
            "is not within 1.2e-38 and 3.4e38, the numbers that TensorFlow trains with"
        )
    return number


def _has_port(endpoint: str) -> str:
    if endpoint and not 0 < int(endpoint.rpartition(":")[2]) <= _LARGEST_PORT:
        raise ValueError(f"has no port from 1 to {_LARGEST_PORT}")
    return endpoint


def _digits(value: Any) -> Any:
    """A number as a quantity of Kubernetes, which is a text but looks like a number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def _expand_home(path: Any) -> Any:
    return paths.expand(path) if isinstance(path, str) else path


def _not_at_home(path: str) -> str:
    if path.startswith("~"):
        raise ValueError("is a path in the tasks' pods, where ~ is not your home: write it in full")
    return path


UserPath = Annotated[str, BeforeValidator(_expand_home)]
"""A path on the user's machine, where `~` is the home directory."""
PodPath = Annotated[str, AfterValidator(_not_at_home)]
"""A URI, or a path in the tasks' pods."""
Float32 = Annotated[float, AfterValidator(_fits_float32)]
"""A positive number that TensorFlow trains with."""
Quantity = Annotated[str, BeforeValidator(_digits)]
"""A number with or without a unit, as Kubernetes writes it."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_yes_or_no(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads yes, no, on and off as truth values, which Python takes for 1 and 0."""
        takes = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(value, bool) and takes not in (str, bool):
            raise ValueError("takes a value, not yes or no")
        return value


class Data(_Settings):
    """Where the examples come from."""

    source: UserPath = Field(
        "auto",
        min_length=1,
        description="digits, mnist, auto (mnist if it can be had within seconds, else digits), or "
        "a directory of TFRecords, of MNIST's IDX files, of images in a folder for each class, or "
        "of CSV or Parquet files",
    )
    eval_fraction: float = Field(
        0.2, gt=0, lt=1, description="part kept for evaluation where the source has no split"
    )


class Images(_Settings):
    """How pictures become features."""

    height: int | None = Field(
        None, ge=1, le=4096, description="pixels; empty: the common size of all images, else 96"
    )
    width: int | None = Field(
        None, ge=1, le=4096, description="pixels; empty: the common size of all images, else 96"
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1: grey, 3: colour; empty: grey if all images are grey, else colour"
    )
    fit: Literal["stretch", "letterbox"] = Field(
        "stretch", description="what happens to an image of another shape; letterbox: black bars"
    )


class Table(_Settings):
    """How the rows of a table become examples."""

    label: str = Field(
        "", description="the label's column; empty: the one called label, target, class or y"
    )
    head: Literal["auto", "classification", "regression"] = Field(
        "auto",
        description="what is predicted; auto: a class where labels are texts or few whole numbers",
    )


class Task(_Settings):
    """What is learnt; `modules.task.Task` is the value that follows from this and the data."""

    name: str = Field(
        "auto",
        pattern=r"^(auto|mnist|images|table|[A-Za-z_]\w*(\.[A-Za-z_]\w*)+)$",
        description="auto: told by the data; mnist, images or table; or the dotted path of a Task "
        "of yours; `task: NAME` is short for it",
    )
    images: Images = Images()
    table: Table = Table()


def _name_task(value: Any) -> Any:
    """A task given by name alone."""
    return {"name": value} if isinstance(value, str) else value


class Augment(_Settings):
    """Changes of pictures in training, another one each time."""

    flip: bool = Field(False, description="mirror half of the pictures, left to right")
    shift: float = Field(
        0, ge=0, le=0.5, description="move by up to this part of the height and the width"
    )
    brightness: float = Field(
        0, ge=0, le=1, description="lighten or darken by up to this part of the range"
    )


class MobileNet(_Settings):
    """The preset `mobilenet`."""

    alpha: float = Field(
        1.0, ge=0.1, le=2, description="width of the network; weights exist for 0.75 and 1"
    )
    weights: UserPath = Field(
        "", description="file of pretrained weights, as Keras saves them; empty: random ones"
    )


class Training(_Settings):
    """How both branches are trained."""

    preset: Literal["auto", "mlp", "cnn", "mobilenet"] = Field(
        "auto",
        description="the model: modules/model.py; auto: cnn for pictures, mlp for tables and MNIST",
    )
    steps: int = Field(5000, ge=1, le=_INT32, description="training steps")
    eval_steps: int = Field(
        100, ge=1, le=_INT32, description="batches in each check of the validation loss"
    )
    batch_size: int = Field(40, ge=1, le=_INT32, description="examples per step")
    learning_rate: Float32 = Field(0.0015, gt=0, description="RMSprop's learning rate")
    decay_rate: Float32 = Field(
        1.0, gt=0, le=1, description="learning rate decays to this part of itself; 1: constant"
    )
    early_stopping_patience: int = Field(
        0, ge=0, le=_INT32, description="checks without improvement before stopping; 0: never"
    )
    check_every: int = Field(
        500, ge=1, le=_INT32, description="steps between checks of the validation loss"
    )
    seed: int = Field(1, ge=0, lt=2**32, description="seed of weights, dropout and order")
    memory_mb: int = Field(
        512,
        ge=1,
        le=1_000_000,
        description="training examples of more megabytes are read from disk, shuffled in part",
    )
    augment: Augment = Augment()
    mobilenet: MobileNet = MobileNet()


class Evaluation(_Settings):
    """The quality gate."""

    min_accuracy: float = Field(
        0.8, ge=0, le=1, description="a classifier below this is not blessed, hence not pushed"
    )
    max_error: float = Field(
        0,
        ge=0,
        le=_FLOAT32[1],
        description="a regression with a mean absolute error above this is not blessed; 0: any",
    )


class Branch(_Settings):
    """One way of exporting and judging the model."""

    name: str = Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$",
        description="the branch's name: a-z, 0-9 and dashes",
    )
    kind: Literal["keras", "lite"] = Field(description="a SavedModel or a TFLite model")
    quantization: Literal["none", "dynamic", "float16", "int8"] = Field(
        "none", description="post-training quantization, lite only"
    )
    run_fn: str = Field(
        "",
        pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)+)?$",
        description="dotted path of the Trainer's function; empty: the one of the kind in modules/",
    )
    max_bytes: int | None = Field(
        None, ge=1, le=_INT64, description="largest model file, lite only"
    )
    max_latency_us: float | None = Field(
        None, gt=0, description="largest median time for one example, lite only"
    )

    @model_validator(mode="after")
    def _budgets_are_for_lite(self) -> "Branch":
        if self.kind == "keras" and (
            self.quantization != "none" or self.max_bytes or self.max_latency_us
        ):
            raise ValueError("quantization, max_bytes and max_latency_us are for kind: lite")
        return self

    @property
    def run_fn_path(self) -> str:
        """Dotted path of the Trainer's `run_fn`."""
        return self.run_fn or f"modules.{self.kind}.run_fn"


PRESET_BRANCHES = {
    "keras": Branch(name="keras", kind="keras"),
    "lite": Branch(name="lite", kind="lite"),
    "lite-dynamic": Branch(name="lite-dynamic", kind="lite", quantization="dynamic"),
    "lite-float16": Branch(name="lite-float16", kind="lite", quantization="float16"),
    "lite-int8": Branch(name="lite-int8", kind="lite", quantization="int8"),
}


def _expand_preset(value: Any) -> Any:
    """A branch given by name alone is a preset; a mapping may refine the preset of its name."""
    if isinstance(value, str):
        if value not in PRESET_BRANCHES:
            raise ValueError(f"no preset is called so, only {', '.join(PRESET_BRANCHES)}")
        return PRESET_BRANCHES[value]
    if isinstance(value, dict) and str(value.get("name")) in PRESET_BRANCHES:
        return {**PRESET_BRANCHES[value["name"]].model_dump(), **value}
    return value


_OPTIONS_OF_SETTINGS = {
    "--direct_num_workers",
    "--direct_running_mode",
    "--environment_config",
    "--environment_type",
    "--flink_job_server_jar",
    "--flink_master",
    "--job_endpoint",
    "--job_port",
    "--runner",
    "--sdk_container_image",
    "--spark_job_server_jar",
    "--spark_master_url",
}


class Beam(_Settings):
    """How the data-processing components run: StatisticsGen, Transform, the Evaluators."""

    runner: Literal["direct", "flink", "spark", "portable"] = Field(
        "direct",
        description="direct: on this machine; flink, spark: through a job server that the run "
        "starts; portable: through one that runs already (docs/beam.md)",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="processes of this machine for each component; more take more memory "
        "(docs/performance.md)",
    )
    master: str = Field(
        "",
        description="flink: local or http://HOST:PORT; spark: local, local[2] or spark://HOST:PORT",
    )
    job_server_jar: UserPath = Field(
        "", description="flink, spark: file of Beam's job server, which takes Java"
    )
    job_endpoint: Annotated[str, AfterValidator(_has_port)] = Field(
        "", pattern=r"^([^\s/:]+:[0-9]+)?$", description="portable: HOST:PORT of the job server"
    )
    environment: Literal["LOOPBACK", "EXTERNAL", "DOCKER", "PROCESS"] = Field(
        "LOOPBACK",
        description="where a job server runs our Python: LOOPBACK is the run's own process, the "
        "rest is beside the cluster's workers",
    )
    environment_config: str = Field(
        "", description="EXTERNAL: HOST:PORT; DOCKER: an image; PROCESS: JSON with a command"
    )
    staging: str = Field(
        "",
        pattern=r"^(/\S+)?$",
        description="directory of a volume that tasks on KFP share with the cluster's workers",
    )
    staging_claim: str = Field(
        "", description="persistent volume claim that is mounted there; empty: something else does"
    )
    options: tuple[str, ...] = Field((), description="any other options of Beam: [--parallelism=4]")

    @model_validator(mode="after")
    def _fits_the_runner(self) -> "Beam":
        known = {
            "workers": {"direct"},
            "master": {"flink", "spark"},
            "job_server_jar": {"flink", "spark"},
            "job_endpoint": {"portable"},
            "environment": {"flink", "spark", "portable"},
            "environment_config": {"flink", "spark", "portable"},
            "staging": {"portable"},
            "staging_claim": {"portable"},
        }
        needed = ("master", "job_server_jar", "job_endpoint")
        for name, runners in known.items():
            given = getattr(self, name) != type(self).model_fields[name].default
            if given and self.runner not in runners:
                raise ValueError(f"{name} is not for the runner {self.runner}")
            if name in needed and not given and self.runner in runners:
                raise ValueError(f"the runner {self.runner} needs {name}")
        if (self.environment == "LOOPBACK") == bool(self.environment_config):
            takes = "takes no" if self.environment_config else "needs an"
            raise ValueError(f"the environment {self.environment} {takes} environment_config")
        if self.staging_claim and not self.staging:
            raise ValueError("staging_claim needs staging, the directory where it is mounted")
        return self

    @field_validator("runner", mode="before")
    @classmethod
    def _no_dataflow(cls, runner: Any) -> Any:
        if runner == "dataflow":
            raise ValueError(
                "Dataflow's workers see gs:// alone, and the files of a task are on local paths: "
                "take direct, or a cluster that shares a volume (docs/beam.md)"
            )
        return runner

    # Of the model, not the field: what a field is refused for is repeated with its value.
    @model_validator(mode="after")
    def _options_are_others(self) -> "Beam":
        for option in self.options:
            name, _, _ = option.partition("=")
            if not re.fullmatch(r"--[a-z]\w*", name):
                raise ValueError("options are --NAME or --NAME=VALUE each")
            if name in _OPTIONS_OF_SETTINGS:
                raise ValueError(f"the option {name} follows from the other settings of beam")
            if SECRET_NAME.search(name):
                raise ValueError(
                    f"the option {name} would show a secret in logs and specifications: give it to "
                    "the workers by their environment"
                )
        return self


class Local(_Settings):
    """How a run on one machine uses it."""

    lanes: int = Field(
        0, ge=0, le=64, description="branches run at a time; 0: one per core, as memory allows"
    )


class Toleration(_Settings):
    """A taint that the tasks' pods tolerate, as in Kubernetes."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Exists"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class SecretVariable(_Settings):
    """An environment variable whose value is a key of a Kubernetes secret."""

    secret: str = Field(min_length=1)
    key: str = Field(min_length=1)
    variable: str = Field(pattern=r"^[A-Za-z_]\w*$")


_URI = r"^((gs|s3|minio)://[^/]+(/.*)?)?$"
_CORES = r"^[0-9]{1,9}(\.[0-9]{1,9})?m?$"
_BYTES = r"^[0-9]{1,18}(\.[0-9]{1,9})?([kMGT]i?)?$"


class Kubeflow(_Settings):
    """How the pipeline is compiled for Kubeflow Pipelines."""

    image: str = Field("", description="the container image of every task")
    pipeline_root: str = Field(
        "", pattern=_URI, description="where artifacts go; empty: the cluster's own default"
    )
    data: PodPath = Field(
        "minio://mlpipeline/v2/artifacts/tfx-mobile/data",
        min_length=1,
        description="default of the run's data_uri: where `tfx-mobile data push` put the dataset",
    )
    data_access: Literal["importer", "direct"] = Field(
        "importer",
        description="importer: KFP hands the data to the task; direct: the task reads gs:// or a "
        "mounted path itself",
    )
    push_to: PodPath = Field(
        "",
        description="default of the run's push_to: gs://, s3://, minio:// or a mounted path; "
        "empty: the pushed_model artifact alone",
    )
    cpu: Quantity = Field("1", pattern=_CORES, description="processor cores each task asks for")
    memory: Quantity = Field("2Gi", pattern=_BYTES, description="memory each task asks for")
    uncached: tuple[str, ...] = Field(
        (), description="tasks that run every time, such as pusher-lite"
    )
    environment: dict[str, str] = Field({}, description="environment variables of every task")
    secrets: tuple[SecretVariable, ...] = Field(
        (), description="variables from secrets: {secret, key, variable} each"
    )
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = Field(
        "", description="when nodes pull the image; empty: Kubernetes decides"
    )
    image_pull_secrets: tuple[str, ...] = Field((), description="secrets of a private registry")
    node_selector: dict[str, str] = Field({}, description="labels that a node must have")
    tolerations: tuple[Toleration, ...] = Field(
        (), description="taints tolerated: {key, operator, value, effect} each"
    )


class Cluster(_Settings):
    """Where Kubeflow Pipelines is, and how to be let in; `kubeflow/client` reads it."""

    host: str = Field(
        "",
        pattern=r"^(https?://[^/\s@]+(/\S*)?)?$",
        description="address of KFP, as http://localhost:8080; empty: $KF_PIPELINES_ENDPOINT, else "
        "the cluster around this pod, else kubectl's",
    )
    ui: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="address of KFP's UI, for links; empty: $KF_PIPELINES_UI_ENDPOINT, else host",
    )
    namespace: str = Field("", description="the profile's namespace, where KFP has many users")
    context: str = Field("", description="kubectl's context, where no host is given")
    auth: Literal["auto", "none", "service-account", "token", "cookie", "iap"] = Field(
        "auto",
        description="how to be let in; auto: whichever is there of token, cookie, IAP client and "
        "service account",
    )
    token_file: UserPath = Field(
        "", description="file with a bearer token; or the token in $TFX_MOBILE_KFP_TOKEN"
    )
    cookie_file: UserPath = Field(
        "", description="file with NAME=VALUE of a session; or that in $TFX_MOBILE_KFP_COOKIE"
    )
    iap_client_id: str = Field(
        "",
        description="OAuth client of Identity-Aware Proxy; or $KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",
    )
    ca_file: UserPath = Field(
        "", description="PEM file of the CA that signed the host's certificate"
    )
    experiment: str = Field(
        "",
        pattern=r"^[\w .:/@-]*$",
        max_length=100,
        description="experiment of runs and schedules; empty: the pipeline's name",
    )
    service_account: str = Field(
        "", description="service account of the runs' pods; empty: KFP's own default"
    )
    retry_seconds: float = Field(
        30, ge=0, le=3600, description="how long requests that fail in passing are repeated"
    )


class Settings(_Settings):
    """Everything a run depends on."""

    name: str = Field(
        "mnist",
        pattern=r"^[a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?$",
        description="the pipeline's name: a-z, 0-9 and dashes",
    )
    data: Data = Data()
    task: Annotated[Task, BeforeValidator(_name_task)] = Task()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    branches: tuple[Annotated[Branch, BeforeValidator(_expand_preset)], ...] = (
        PRESET_BRANCHES["keras"],
        PRESET_BRANCHES["lite"],
    )
    preprocessing_fn: str = Field(
        "",
        pattern=r"^([A-Za-z_]\w*(\.[A-Za-z_]\w*)+)?$",
        description="dotted path of Transform's function; empty: the task's",
    )
    beam: Beam = Beam()
    local: Local = Local()
    kubeflow: Kubeflow = Kubeflow()
    cluster: Cluster = Cluster()

    @model_validator(mode="after")
    def _branches_are_comparable(self) -> "Settings":
        names = [branch.name for branch in self.branches]
        if BASELINE not in names:
            raise ValueError(f"branches must include {BASELINE!r}, which the others compare with")
        if len(set(names)) < len(names):
            raise ValueError("branches must have different names")
        return self

    @property
    def experiment(self) -> str:
        """Name of the experiment of runs on Kubeflow Pipelines."""
        return self.cluster.experiment or self.name


def load(
    file: Path | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[str, str | None] | None = None,
) -> Settings:
    """Reads a settings file and applies overrides in order.

    Args:
      file: YAML; None for the defaults.
      overrides: `key=value` with a dotted key (`training.steps=300`); the value is YAML.
      flags: Values by dotted key that a command was given as options of their own, taken whatever
        the rest says; None where not given.

    Raises:
      SettingsError: Unreadable file, unknown setting, or a value out of range; it names them.
    """
    values: dict[str, Any] = {}
    scalars: dict[Location, yaml_text.Scalar] = {}
    if file is not None:
        document = yaml_text.read(file, "the settings file")
        content = {} if document.value is None else document.value
        if not isinstance(content, dict):
            raise SettingsError(f"{file} must hold settings as 'key: value' lines")
        # A part whose lines are all commented out.
        values = {key: value for key, value in content.items() if value is not None}
        scalars = dict(document.scalars)
    for override in overrides:
        key, document = _parse(override)
        _apply(values, key, document.value)
        place: Location = tuple(key.split("."))
        scalars = {at: scalar for at, scalar in scalars.items() if at[: len(place)] != place}
        scalars |= {(*place, *below): scalar for below, scalar in document.scalars.items()}
    for key, value in (flags or {}).items():
        if value is not None:
            _apply(values, key, value)
    return _validate(Document(values, scalars))


def validate(values: dict[str, Any]) -> Settings:
    """Checks a mapping of settings.

    Raises:
      SettingsError: Names the first setting that is wrong, and how.
    """
    return _validate(Document(values, {}))


def _validate(document: Document) -> Settings:
    try:
        return Settings.model_validate(document.value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                f"unknown setting {path!r}: {_closest(path)}`tfx-mobile run --help` lists them all"
            ) from None
        if first["type"] == "string_type" and (reason := document.explain(first["loc"])):
            raise SettingsError(f"{path}: {reason}") from None
        message = first["msg"].removeprefix("Value error, ")
        given = repr(first["input"])
        # Whoever puts a password into an address need not see it in a log as well.
        hidden = isinstance(first["input"], dict) or re.search(r"://[^/]*@", given)
        got = "" if hidden else f", got {given}"
        raise SettingsError(f"{path}: {message}{got}" if path else message) from None


def describe() -> list[tuple[str, str, str]]:
    """Every setting as (dotted name, default, description), for help and documentation."""
    return list(_describe(Settings, ""))


def _describe(group: type[_Settings], prefix: str) -> Iterator[tuple[str, str, str]]:
    for key, field in group.model_fields.items():
        name, inner = f"{prefix}{key}", field.annotation
        if isinstance(inner, type) and issubclass(inner, _Settings):
            yield from _describe(inner, f"{name}.")
        elif name == "branches":
            presets = ", ".join(PRESET_BRANCHES)
            yield name, "[keras, lite]", f"of {presets}, or mappings of:"
            yield from _describe(Branch, f"{name}.*.")
        else:
            default = "" if field.is_required() else _as_yaml(field.default)
            yield name, default, field.description or ""


def _as_yaml(default: Any) -> str:
    """A default as a person would write it in a settings file."""
    empty = {"": "''", (): "[]", None: "null", False: "false"}
    is_empty = default is None or default is False or default in ("", ())
    return empty[default] if is_empty else str(default)


def _closest(path: str) -> str:
    """`did you mean 'training.steps'? `, or nothing where no setting is called like it."""
    known = [name for name, _, _ in describe()]
    # A branch is known by its place in the list.
    generic = ".".join("*" if part.isdigit() else part for part in path.split("."))
    matches = difflib.get_close_matches(generic, known, n=1)
    return f"did you mean {matches[0]!r}? " if matches else ""


def _parse(override: str) -> tuple[str, Document]:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set takes key=value, got {override!r}")
    return key, yaml_text.parse(text, f"--set {key}")


def _apply(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        child = values.setdefault(parent, {})
        if parent == "task" and isinstance(child, str):
            child = values[parent] = {"name": child}
        if not isinstance(child, dict):
            raise SettingsError(f"unknown setting {key!r}: {parent!r} has no parts")
        values = child
    values[last] = value
