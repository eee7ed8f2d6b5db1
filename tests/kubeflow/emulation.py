"""KFP's driver and launcher, as far as a task can see them, on a real S3 server.

It follows what KFP's sources do (docs/kfp-compatibility.md has the places), so a task that would
fail on a cluster fails here: types are erased, `executor-logs` is added, numbers are doubles, dicts
are wrapped, outputs are parsed strictly, and the cache key is KFP's own.
"""

import dataclasses
import hashlib
import json
import math
import os
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

ROOTS = {"gs": "gcs", "minio": "minio", "s3": "s3"}


@dataclasses.dataclass(frozen=True)
class Shape:
    """What differs between the versions of KFP."""

    logs: bool = True
    names_outputs: bool = True
    output_file_in_root: bool = True
    downloads_siblings: bool = False
    metadata_store: bool = True


SHAPES = {
    "2.4": Shape(
        logs=False, names_outputs=False, output_file_in_root=False, downloads_siblings=True
    ),
    "2.17": Shape(),
    "next": Shape(metadata_store=False),
}


class TaskFailed(Exception):
    """What the launcher or the task said."""


@dataclasses.dataclass
class Artifact:
    """What KFP has registered."""

    id: str
    name: str
    uri: str
    type: dict[str, str]
    metadata: dict[str, Any]


@dataclasses.dataclass
class Task:
    """One task of a run."""

    executor_input: dict[str, Any]
    cached: bool
    artifacts: dict[str, Artifact]
    parameters: dict[str, Any]
    log: str = ""


Start = Callable[[str, list[str], Path], subprocess.CompletedProcess[str]]
"""Runs a task's command: its name, the command, and where the pod's own directories lie."""

PODS_OWN = ("s3", "tmp/kfp", "tmp/kfp_outputs")
"""The directories that a pod does not have from its image."""


class Kfp:
    """A cluster: an object store, what is registered, and the cache."""

    def __init__(self, store: Any, bucket: str, shape: str, start: Start) -> None:
        """Makes an empty one.

        Args:
          store: A boto3 client.
          bucket: There already.
          shape: A key of `SHAPES`.
          start: Runs a command as the pod's container would.
        """
        self._store = store
        self._bucket = bucket
        self._shape = SHAPES[shape]
        self._start = start
        self._registering = threading.Lock()
        self._imported: dict[str, Artifact] = {}
        self._cache: dict[str, Task] = {}
        self._ids = 0
        self.root = f"s3://{bucket}/v2/artifacts"

    def run(
        self, spec: dict[str, Any], given: dict[str, Any] | None = None, run_id: str = ""
    ) -> dict[str, Task]:
        """Runs every task once those it depends on are done, two at a time.

        Raises:
          TaskFailed: The first that did; the other under way comes to its end.
        """
        run_id = run_id or str(uuid.uuid4())
        form = self._form(spec, given or {})
        left = {
            name: set(task.get("dependentTasks", []))
            for name, task in spec["root"]["dag"]["tasks"].items()
        }
        done: dict[str, Task] = {}
        running: dict[Future[Task], str] = {}
        with ThreadPoolExecutor(2) as pool:
            while left or running:
                for name in [n for n, needed in left.items() if needed <= done.keys()]:
                    running[pool.submit(self._task, spec, name, form, done, run_id)] = name
                    del left[name]
                assert running, f"a circle among {sorted(left)}"
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    done[running.pop(future)] = future.result()
        return done

    # ------------------------------------------------------------------ API server

    def _form(self, spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """Checks types strictly, as `validatePipelineJobInputs` does, and fills in defaults."""
        declared = spec["root"]["inputDefinitions"]["parameters"]
        assert given.keys() <= declared.keys(), f"unknown parameters {given.keys()}"
        values = {}
        for name, definition in declared.items():
            value = given.get(name, definition.get("defaultValue"))
            assert value is not None, f"parameter {name} is required"
            wanted = str if definition["parameterType"] == "STRING" else (int, float)
            assert isinstance(value, wanted), f"{name} is no {definition['parameterType']}"
            values[name] = _as_go_prints(value)
        return values

    # ------------------------------------------------------------------ driver

    def _task(
        self,
        spec: dict[str, Any],
        name: str,
        form: dict[str, Any],
        done: dict[str, Task],
        run_id: str,
    ) -> Task:
        task = spec["root"]["dag"]["tasks"][name]
        component = spec["components"][task["componentRef"]["name"]]
        executor = spec["deploymentSpec"]["executors"][component["executorLabel"]]
        parameters = {
            key: self._parameter(value, form, done, run_id)
            for key, value in task.get("inputs", {}).get("parameters", {}).items()
        }
        if "importer" in executor:
            return self._import(component, executor["importer"], parameters)
        inputs = {
            key: done[value["taskOutputArtifact"]["producerTask"]].artifacts[
                value["taskOutputArtifact"]["outputArtifactKey"]
            ]
            for key, value in task.get("inputs", {}).get("artifacts", {}).items()
        }
        task_root = f"{self.root}/{spec['pipelineInfo']['name']}/{run_id}/{name}/{uuid.uuid4()}"
        executor_input = {
            "inputs": {
                "artifacts": {
                    key: {"artifacts": [self._as_input(artifact)]}
                    for key, artifact in inputs.items()
                },
                "parameterValues": parameters,
            },
            "outputs": self._outputs(component.get("outputDefinitions", {}), task_root),
        }
        key = self._cache_key(executor_input, component, executor["container"])
        if task.get("cachingOptions", {}).get("enableCache") and key in self._cache:
            return dataclasses.replace(self._cache[key], cached=True)
        made = self._launch(name, component, executor["container"], executor_input, inputs)
        if task.get("cachingOptions", {}).get("enableCache"):
            self._cache[key] = made
        return made

    def _parameter(
        self, value: dict[str, Any], form: dict[str, Any], done: dict[str, Task], run_id: str
    ) -> Any:
        if "componentInputParameter" in value:
            return form[value["componentInputParameter"]]
        if "taskOutputParameter" in value:
            source = value["taskOutputParameter"]
            return done[source["producerTask"]].parameters[source["outputParameterKey"]]
        constant = value["runtimeValue"]["constant"]
        return run_id if constant == "{{$.pipeline_job_uuid}}" else _as_go_prints(constant)

    def _import(
        self, component: dict[str, Any], importer: dict[str, Any], parameters: dict[str, Any]
    ) -> Task:
        """Without `reimport` the same URI is the same artifact, whatever lies there."""
        assert not importer.get("reimport")
        uri = parameters[importer["artifactUri"]["runtimeParameter"]]
        if uri not in self._imported:
            self._imported[uri] = Artifact(
                self._new_id(), os.path.basename(uri), uri, importer["typeSchema"], {}
            )
        (output,) = component["outputDefinitions"]["artifacts"]
        return Task({}, False, {output: self._imported[uri]}, {})

    def _as_input(self, artifact: Artifact) -> dict[str, Any]:
        if self._shape.metadata_store:
            return {
                "name": artifact.id,
                "uri": artifact.uri,
                "type": {"instanceSchema": ""},
                "metadata": {
                    **{key: _through_mlmd(value) for key, value in artifact.metadata.items()},
                    "display_name": artifact.name,
                    "store_session_info": '{"Provider":"s3","Params":{"fromEnv":"true"}}',
                },
            }
        title = artifact.type.get("schemaTitle", "")
        known = title.startswith("system.")
        return {
            "name": artifact.name,
            "artifactId": artifact.id,
            "uri": artifact.uri,
            "type": {
                "schemaTitle": title.removeprefix("system.")
                if known
                else title or artifact.type["instanceSchema"]
            },
            "metadata": artifact.metadata,
        }

    def _outputs(self, definitions: dict[str, Any], task_root: str) -> dict[str, Any]:
        artifacts = dict(definitions.get("artifacts", {}))
        if self._shape.logs:
            artifacts["executor-logs"] = {"artifactType": {"schemaTitle": "system.Artifact"}}
        outputs = {
            "artifacts": {
                key: {
                    "artifacts": [
                        {
                            **({"name": key} if self._shape.names_outputs else {}),
                            "uri": f"{task_root}/{key}",
                            "type": definition["artifactType"],
                        }
                    ]
                }
                for key, definition in artifacts.items()
            },
            "outputFile": f"{_in_pod(task_root)}/output_metadata.json"
            if self._shape.output_file_in_root
            else "/tmp/kfp_outputs/output_metadata.json",
        }
        parameters = definitions.get("parameters", {})
        if parameters:
            outputs["parameters"] = {
                key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in parameters
            }
        return outputs

    def _cache_key(
        self, executor_input: dict[str, Any], component: dict[str, Any], container: dict[str, Any]
    ) -> str:
        """`GenerateCacheKey` in KFP's `cacheutils/cache.go`: names of inputs, not their content."""
        inputs, outputs = executor_input["inputs"], executor_input["outputs"]
        identity = "name" if self._shape.metadata_store else "artifactId"
        key = {
            "inputArtifactNames": {
                name: [artifact[identity] for artifact in value["artifacts"]]
                for name, value in inputs["artifacts"].items()
            },
            "inputParameterValues": inputs["parameterValues"],
            "outputArtifactsSpec": {
                name: {k: v for k, v in value["artifacts"][0].items() if k != "uri"}
                for name, value in outputs["artifacts"].items()
            },
            "outputParametersSpec": {
                name: definition["parameterType"]
                for name, definition in component.get("outputDefinitions", {})
                .get("parameters", {})
                .items()
            },
            "containerSpec": {
                "image": container["image"],
                "cmdArgs": [*container["command"], *container["args"]],
            },
        }
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()

    # ------------------------------------------------------------------ launcher

    def _launch(
        self,
        name: str,
        component: dict[str, Any],
        container: dict[str, Any],
        executor_input: dict[str, Any],
        inputs: dict[str, Artifact],
    ) -> Task:
        outputs = executor_input["outputs"]
        rendered = json.dumps(executor_input)
        command = [
            part.replace("{{$}}", rendered) for part in (*container["command"], *container["args"])
        ]
        with tempfile.TemporaryDirectory(prefix=f"{name}-") as directory:
            pod = Path(directory)
            for artifact in inputs.values():
                self._download(artifact.uri, pod)
            self._prepare(outputs, pod)
            ended = self._start(name, command, pod)
            log = ended.stdout + ended.stderr
            if ended.returncode:
                raise TaskFailed(f"{name} ended with {ended.returncode}: {log[-4000:]}")
            written = self._read_output(_on_disk(outputs["outputFile"], pod))
            artifacts = {
                key: self._register(key, value["artifacts"][0], written, pod)
                for key, value in outputs["artifacts"].items()
                if key != "executor-logs"
            }
            parameters = {
                key: self._output_parameter(component, key, _on_disk(value["outputFile"], pod))
                for key, value in outputs.get("parameters", {}).items()
            }
        return Task(executor_input, False, artifacts, parameters, log)

    def _prepare(self, outputs: dict[str, Any], pod: Path) -> None:
        """Makes the parents of the outputs, not more, and all of it anyone's, as emptyDirs are."""
        for value in outputs["artifacts"].values():
            path = _on_disk(_in_pod(value["artifacts"][0]["uri"]), pod)
            path.parent.mkdir(parents=True, exist_ok=True)
        for value in outputs.get("parameters", {}).values():
            _on_disk(value["outputFile"], pod).parent.mkdir(parents=True, exist_ok=True)
        for name in PODS_OWN:
            (pod / name).mkdir(parents=True, exist_ok=True)
        for directory in (pod, *(path for path in pod.rglob("*") if path.is_dir())):
            directory.chmod(0o777)

    def _read_output(self, file: Path) -> dict[str, Any]:
        """Strictly, as protojson does; a missing file is fine."""
        if not file.exists():
            return {}
        try:
            json_format.Parse(file.read_text(), pipeline_spec_pb2.ExecutorOutput())
        except json_format.ParseError as error:
            raise TaskFailed(f"failed to unmarshall ExecutorOutput: {error}") from error
        written: dict[str, Any] = json.loads(file.read_text()).get("artifacts", {})
        return written

    def _register(
        self, key: str, provisioned: dict[str, Any], written: dict[str, Any], pod: Path
    ) -> Artifact:
        said = (written.get(key, {}).get("artifacts") or [{}])[0]
        uri = said.get("uri") or provisioned["uri"]
        metadata = {**provisioned.get("metadata", {}), **said.get("metadata", {})}
        is_metrics = provisioned["type"].get("schemaTitle") == "system.Metrics"
        for field, value in metadata.items():
            if self._shape.metadata_store and value is None:
                raise TaskFailed(f"unknown/unsupported value type of {field}")
            if not self._shape.metadata_store and is_metrics and not _is_number(value):
                raise TaskFailed(f"metric value {field!r} must be a number")
        if uri.split("://")[0] in ROOTS:
            if not uri.startswith(self.root):
                raise TaskFailed(f"URI {uri} of output {key} is not below the pipeline's root")
            path = _on_disk(_in_pod(uri), pod)
            if path.exists():
                self._upload(path, uri)
            elif not self._shape.metadata_store and not is_metrics:
                raise TaskFailed(f"declared output artifact {key} is missing")
        return Artifact(self._new_id(), key, uri, provisioned["type"], metadata)

    def _output_parameter(self, component: dict[str, Any], key: str, output_file: Path) -> Any:
        text = output_file.read_text()
        declared = component["outputDefinitions"]["parameters"][key]["parameterType"]
        return text if declared == "STRING" else float(text)

    # ------------------------------------------------------------------ files

    def _objects(self, prefix: str) -> Iterator[str]:
        pages = self._store.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        for page in pages:
            yield from (entry["Key"] for entry in page.get("Contents", []))

    def _download(self, uri: str, pod: Path) -> None:
        prefix = uri.removeprefix(f"s3://{self._bucket}/")
        for key in self._objects(prefix):
            if self._shape.downloads_siblings or key == prefix or key.startswith(f"{prefix}/"):
                file = pod / "s3" / self._bucket / key
                file.parent.mkdir(parents=True, exist_ok=True)
                self._store.download_file(self._bucket, key, str(file))

    def _upload(self, path: Path, uri: str) -> None:
        key = uri.removeprefix(f"s3://{self._bucket}/")
        if path.is_file():
            self._store.upload_file(str(path), self._bucket, key)
        for file in sorted(path.rglob("*")):
            if file.is_file():
                name = file.relative_to(path).as_posix()
                self._store.upload_file(str(file), self._bucket, f"{key}/{name}")

    def _new_id(self) -> str:
        with self._registering:
            self._ids += 1
            return str(self._ids) if self._shape.metadata_store else str(uuid.uuid4())


def load(file: Path) -> dict[str, Any]:
    """The specification in a compiled file; a platform document after it is for Kubernetes."""
    spec: dict[str, Any] = next(iter(yaml.safe_load_all(file.read_text())))
    return spec


def _on_disk(path_in_pod: str, pod: Path) -> Path:
    return pod / path_in_pod.lstrip("/")


def _in_pod(uri: str) -> str:
    scheme, rest = uri.split("://")
    return f"/{ROOTS[scheme]}/{rest}"


def _as_go_prints(value: Any) -> Any:
    """Numbers are doubles, and Go writes 3.0 as 3."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _through_mlmd(value: Any) -> Any:
    """Into a custom property and back (`StructValueToMLMDValue`, `toRuntimeArtifact`)."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict):
        return {"struct": value}
    if isinstance(value, list):
        return {"list": value}
    return _as_go_prints(value)
