"""The manifests of kubeflow/manifests/, rendered."""

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from cli.main import main
from kubeflow import bucket, storage
from kubeflow.compiler import check
from pipelines import settings
from pipelines.errors import StorageError
from tests.kubeflow import policies
from tests.kubeflow.client.api_access import Bearer, anybody
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.conftest import COMMAND
from tests.kubeflow.kustomize import MANIFESTS, OVERLAYS, Document, render
from tests.kubeflow.storage import faults, servers

DIGEST = "sha256:" + "0123456789abcdef" * 4
GOLDEN = Path(__file__).parent / "golden" / "legacy.yaml"
IMAGE = f"registry.example/team/tfx-mobile@{DIGEST}"
# The oldest that the releases of KFP this project runs on were made for, and the newest known.
KUBERNETES = ("1.27", kubernetes_validate.latest_version())


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Document]]:
    return {name: render(MANIFESTS / "overlays" / name) for name in OVERLAYS}


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, rendered: dict[str, list[Document]]) -> list[Document]:
    return copy.deepcopy(rendered[request.param])


def one(documents: list[Document], kind: str, name: str = "") -> Document:
    (found,) = (
        d for d in documents if d["kind"] == kind and d["metadata"]["name"].startswith(name)
    )
    return found


def pod(documents: list[Document], job: str) -> Document:
    return one(documents, "Job", job)["spec"]["template"]["spec"]


def container(documents: list[Document], job: str, name: str) -> Document:
    (found,) = (c for c in policies.containers(pod(documents, job)) if c["name"] == name)
    return found


def test_every_overlay_is_tried() -> None:
    assert {path.name for path in (MANIFESTS / "overlays").iterdir()} == set(OVERLAYS)


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(overlay: list[Document], version: str) -> None:
    for document in overlay:
        kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_seen(overlay: list[Document]) -> None:
    job = one(overlay, "Job", "tfx-mobile-upload")
    job["spec"]["template"]["spec"]["serviceAcountName"] = "a typing error"

    with pytest.raises(kubernetes_validate.ValidationError, match="serviceAcountName"):
        kubernetes_validate.validate(job, KUBERNETES[-1], strict=True)


def test_nothing_is_wrong(overlay: list[Document]) -> None:
    assert policies.problems(overlay) == []


def _with(path: str, value: object) -> Callable[[list[Document]], None]:
    """Sets a field of the first container of the Job `upload`, or of its pod."""

    def mutate(documents: list[Document]) -> None:
        spec = pod(documents, "tfx-mobile-upload")
        *parents, last = path.split(".")
        for parent in parents:
            spec = spec[int(parent)] if isinstance(spec, list) else spec.setdefault(parent, {})
        spec[last] = value

    return mutate


def _without(path: str) -> Callable[[list[Document]], None]:
    *parents, last = path.split(".")

    def mutate(documents: list[Document]) -> None:
        spec = pod(documents, "tfx-mobile-upload")
        for parent in parents:
            spec = spec[int(parent)] if isinstance(spec, list) else spec[parent]
        del spec[last]

    return mutate


def _add(document: str) -> Callable[[list[Document]], None]:
    return lambda documents: documents.append(yaml.safe_load(document))


def _rule(field: str, value: str) -> Callable[[list[Document]], None]:
    return lambda documents: one(documents, "Role")["rules"][0][field].append(value)


def _policy(change: Callable[[Document], object]) -> Callable[[list[Document]], None]:
    return lambda documents: change(one(documents, "NetworkPolicy", "tfx-mobile-upload")["spec"])


OWN = "containers.0.securityContext"
MISTAKES = {
    "hostNetwork": _with("hostNetwork", True),
    "hostPID": _with("hostPID", True),
    "hostIPC": _with("hostIPC", True),
    "a volume of the kind hostPath": _with("volumes.0.hostPath", {"path": "/"}),
    "sysctls": _with("securityContext.sysctls", [{"name": "net.core.somaxconn", "value": "1"}]),
    "privileged": _with(f"{OWN}.privileged", True),
    "may escalate privileges": _without(f"{OWN}.allowPrivilegeEscalation"),
    "keeps capabilities": _without(f"{OWN}.capabilities"),
    "adds capabilities": _with(f"{OWN}.capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    "may run as root": _without("securityContext.runAsNonRoot"),
    "upload: may run as root": _with(f"{OWN}.runAsUser", 0),
    "no seccomp profile": _without("securityContext.seccompProfile"),
    "compile: no seccomp profile": _with(
        "initContainers.0.securityContext.seccompProfile", {"type": "Unconfined"}
    ),
    "no AppArmor profile": _with("securityContext.appArmorProfile", {"type": "Unconfined"}),
    "a type of SELinux": _with("securityContext.seLinuxOptions", {"type": "spc_t"}),
    "another procMount": _with(f"{OWN}.procMount", "Unmasked"),
    "a host process": _with("securityContext.windowsOptions", {"hostProcess": True}),
    "a port of the host": _with("containers.0.ports", [{"containerPort": 80, "hostPort": 80}]),
    "a token of Kubernetes' API": _without("automountServiceAccountToken"),
    "a writable root": _without(f"{OWN}.readOnlyRootFilesystem"),
    "a /tmp without limit": _with("volumes.1.emptyDir", {}),
    "/etc/tfx-mobile is writable": _without("containers.0.volumeMounts.0.readOnly"),
    "no /tmp": _with("containers.0.volumeMounts", []),
    "limits": _without("containers.0.resources.limits"),
    "a Secret mine": _add("{kind: Secret, metadata: {name: mine, namespace: kubeflow}}"),
    "AWS_SECRET_ACCESS_KEY": _with(
        "containers.0.env", [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]
    ),
    "Role tfx-mobile: *": _rule("resources", "*"),
    "Role tfx-mobile: delete": _rule("verbs", "delete"),
    "in every namespace": _add("{kind: ClusterRole, metadata: {name: x, namespace: y}}"),
    "upload: busybox": _with("containers.0.image", "busybox"),
    "selects pods that are not ours": _policy(lambda spec: spec["podSelector"].clear()),
    "lets somebody in": _policy(lambda spec: spec.update(ingress=[{}])),
    "lets out to everywhere": _policy(lambda spec: spec["egress"][1].pop("to")),
    "lets out to a whole namespace": _policy(
        lambda spec: spec["egress"][1]["to"][0].pop("podSelector")
    ),
    "is selected by []": _policy(
        lambda spec: spec["podSelector"]["matchLabels"].update({"a": "typing error"})
    ),
    "would take all of KFP with it": _add("{kind: Namespace, metadata: {name: kubeflow}}"),
    "no namespace": lambda documents: one(documents, "Role")["metadata"].pop("namespace"),
}


@pytest.mark.parametrize(("problem", "mutate"), MISTAKES.items(), ids=list(MISTAKES))
def test_a_mistake_is_seen(
    rendered: dict[str, list[Document]],
    problem: str,
    mutate: Callable[[list[Document]], None],
) -> None:
    documents = copy.deepcopy(rendered["minio"])
    mutate(documents)

    assert [found for found in policies.problems(documents) if problem in found]


def test_the_overlays_differ_in_the_store_alone(rendered: dict[str, list[Document]]) -> None:
    def differing(one: str, other: str) -> set[str]:
        contents = [
            {
                f"{d['kind']} {d['metadata']['name']}": d
                for d in yaml.safe_load(yaml.safe_dump(rendered[name]).replace(hashed, "settings"))
            }
            for name in (one, other)
            for hashed in [one_config(name)["metadata"]["name"]]
        ]
        assert contents[0].keys() == contents[1].keys()
        return {key for key in contents[0] if contents[0][key] != contents[1][key]}

    def one_config(name: str) -> Document:
        return one(rendered[name], "ConfigMap")

    store = {"ConfigMap settings", "Job tfx-mobile-bucket", "NetworkPolicy tfx-mobile-bucket"}
    assert differing("minio", "kind") == {"ConfigMap settings"}
    assert differing("minio", "gcs") == store


def test_other_settings_are_another_job(rendered: dict[str, list[Document]]) -> None:
    """A Job is made anew where its specification differs: the name of the settings has to."""
    names = {name: one(rendered[name], "ConfigMap")["metadata"]["name"] for name in OVERLAYS}

    assert len(set(names.values())) == len(OVERLAYS)
    for overlay, name in names.items():
        for job in ("tfx-mobile-bucket", "tfx-mobile-upload"):
            volumes = {v["name"]: v for v in pod(rendered[overlay], job)["volumes"]}
            assert volumes["settings"]["configMap"]["name"] == name


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_of_ones_own(name: str, tmp_path: Path) -> None:
    directory = MANIFESTS / "overlays" / name
    (tmp_path / "settings.yaml").write_text("kubeflow: {push_to: s3://mine}")
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "resources": [f"../{Path(*['..'] * 8)}/{directory.relative_to('/')}"],
                "namespace": "team-a",
                "configMapGenerator": [
                    {
                        "name": "tfx-mobile-settings",
                        "namespace": "kubeflow",
                        "behavior": "replace",
                        "files": ["settings.yaml"],
                    }
                ],
                "images": [
                    {
                        "name": "tfx-mobile",
                        "newName": "registry.example/team/tfx-mobile",
                        "digest": DIGEST,
                    }
                ],
            }
        )
    )

    documents = render(tmp_path)

    assert {d["metadata"]["namespace"] for d in documents} == {"team-a"}
    (subject,) = one(documents, "RoleBinding")["subjects"]
    assert (subject["name"], subject["namespace"]) == ("tfx-mobile", "team-a")
    named = [
        *(c["image"] for _, p in policies.pods(documents) for c in policies.containers(p)),
        one(documents, "Job", "tfx-mobile-upload")["spec"]["template"]["metadata"]["annotations"][
            "image"
        ],
    ]
    assert set(named) == {IMAGE}
    config = one(documents, "ConfigMap")
    assert config["data"] == {"settings.yaml": "kubeflow: {push_to: s3://mine}"}
    for job in ("tfx-mobile-bucket", "tfx-mobile-upload"):
        volumes = {v["name"]: v for v in pod(documents, job)["volumes"]}
        assert volumes["settings"]["configMap"]["name"] == config["metadata"]["name"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_job_compiles_the_pipeline_of_its_image(
    rendered: dict[str, list[Document]], name: str, tmp_path: Path
) -> None:
    """The container's own arguments, with the files and the image where they are here."""
    step = container(rendered[name], "tfx-mobile-upload", "compile")
    (variable,) = step["env"]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.annotations['image']"
    config = one(rendered[name], "ConfigMap")["data"]
    for file, text in config.items():
        (tmp_path / file).write_text(text)
    here = [
        argument.replace("/etc/tfx-mobile", str(tmp_path))
        .replace("/tmp/pipeline.yaml", str(tmp_path / "pipeline.yaml"))
        .replace(f"$({variable['name']})", IMAGE)
        for argument in step["args"]
    ]

    done = subprocess.run([COMMAND, *here], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    spec, *platform = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    executors = spec["deploymentSpec"]["executors"].values()
    assert {e["container"]["image"] for e in executors if "container" in e} == {IMAGE}
    assert ("mlpipeline-minio-artifact" in str(platform)) == (name != "gcs")


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_image_is_refused_where_nothing_replaced_it(
    rendered: dict[str, list[Document]], name: str
) -> None:
    given = one(rendered[name], "Job", "tfx-mobile-upload")["spec"]["template"]["metadata"]
    done = CliRunner().invoke(main, ["compile", "--image", given["annotations"]["image"]])

    assert done.exit_code == 2
    assert "the tag of tfx-mobile may be moved" in done.output


@pytest.mark.parametrize(
    "reference",
    [
        # Pushed, and loaded into a node of kind's.
        f"registry.example/team/tfx-mobile:{'0f' * 32}@{DIGEST}",
        f"tfx-mobile:{'0f' * 32}",
    ],
)
def test_what_skaffold_puts_there_is_taken(reference: str) -> None:
    check.image(reference, allow_mutable_tag=False)


@pytest.mark.parametrize("namespaces", [None, {"team-a"}], ids=["one user", "many users"])
def test_the_job_uploads_what_was_compiled(
    overlay: list[Document],
    namespaces: set[str] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The container's own arguments, with the files and the server where they are here."""
    step = container(overlay, "tfx-mobile-upload", "upload")
    (tmp_path / "settings.yaml").write_text(one(overlay, "ConfigMap")["data"]["settings.yaml"])
    (tmp_path / "token").write_text("the account's")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    access = Bearer("the account's") if namespaces else anybody

    with ApiServer(namespaces=namespaces, access=access) as server:
        here = [
            argument.replace("/etc/tfx-mobile", str(tmp_path))
            .replace("/tmp/pipeline.yaml", str(GOLDEN))
            .replace("http://ml-pipeline.kubeflow:8888", server.url)
            .replace("$(NAMESPACE)", "team-a")
            for argument in step["args"]
        ]
        said = [CliRunner().invoke(main, here).output for _ in range(2)]

    assert [": uploaded" in said[0], "unchanged, nothing uploaded" in said[1]] == [True, True]
    (pipeline,) = server.store.pipelines.values()
    assert (pipeline.namespace or None) == ("team-a" if namespaces else None)
    assert (
        f"--output={step['args'][1]}" in container(overlay, "tfx-mobile-upload", "compile")["args"]
    )


def test_the_token_is_for_kfp_alone(overlay: list[Document]) -> None:
    volumes = pod(overlay, "tfx-mobile-upload")["volumes"]
    tokens = [
        s["serviceAccountToken"]
        for v in volumes
        for s in v.get("projected", {"sources": []})["sources"]
    ]
    (token,) = tokens
    step = container(overlay, "tfx-mobile-upload", "upload")
    (mount,) = (m for m in step["volumeMounts"] if m["name"] == "token")
    (path,) = (e["value"] for e in step["env"] if e["name"] == "KF_PIPELINES_SA_TOKEN_PATH")

    assert token["audience"] == "pipelines.kubeflow.org"
    assert path == f"{mount['mountPath']}/{token['path']}"
    for job, name in (("upload", "compile"), ("bucket", "bucket")):
        mounts = container(overlay, f"tfx-mobile-{job}", name)["volumeMounts"]
        assert {m["name"] for m in mounts} == {"settings", "tmp"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_bucket_is_made_with_the_secret_that_tasks_get(
    rendered: dict[str, list[Document]], name: str, tmp_path: Path
) -> None:
    step = container(rendered[name], "tfx-mobile-bucket", "bucket")
    (tmp_path / "settings.yaml").write_text(
        one(rendered[name], "ConfigMap")["data"]["settings.yaml"]
    )
    loaded = settings.load(tmp_path / "settings.yaml").kubeflow

    given = {
        (e["valueFrom"]["secretKeyRef"]["name"], e["valueFrom"]["secretKeyRef"]["key"], e["name"])
        for e in step.get("env", [])
    }
    assert given == {(s.secret, s.key, s.variable) for s in loaded.secrets}
    assert step["command"] == ["python", "-m", bucket.__name__]
    assert step["args"][0] == "/etc/tfx-mobile/settings.yaml"
    assert loaded.push_to


@pytest.mark.parametrize("name", ["minio", "kind"])
def test_models_go_into_the_one_bucket_that_kfp_brings(
    rendered: dict[str, list[Document]],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(one(rendered[name], "ConfigMap")["data"]["settings.yaml"])
    loaded = settings.load(file).kubeflow
    (tmp_path / "store" / "mlpipeline").mkdir(parents=True)
    with (
        servers.rclone(tmp_path / "store") as server,
        faults.proxy(server.endpoint) as proxy,
    ):
        proxy.choose = faults.only_bucket("mlpipeline")
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        monkeypatch.setenv("TFX_MOBILE_STORAGE_RETRY_SECONDS", "1")

        bucket.run(loaded)
        storage.write_bytes(f"{loaded.push_to}/keras/1/saved_model.pb", b"model")
        storage.make_bucket("minio://second")
        with pytest.raises(StorageError, match="fails for minio://second/x"):
            storage.write_bytes("minio://second/x", b"x")
