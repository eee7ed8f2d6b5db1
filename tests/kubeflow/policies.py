"""What is asked of manifests beyond their schema, each as the problems of rendered documents."""

import re
from collections.abc import Iterator
from typing import Any

from tests.kubeflow.kustomize import Document

IMAGE = "tfx-mobile"
VERBS = {"create", "get", "list"}
# https://kubernetes.io/docs/concepts/security/pod-security-standards/, the profile `restricted`.
VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}
SECCOMP = {"RuntimeDefault", "Localhost"}
SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECRET_NAME = re.compile(r"secret|password|token|key|credential", re.I)


def restricted(documents: list[Document]) -> Iterator[str]:
    """Where a pod does not meet the restricted pod security standard."""
    for name, pod in pods(documents):
        context = pod.get("securityContext", {})
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(field):
                yield f"{name}: {field}"
        for volume in pod.get("volumes", []):
            for kind in volume.keys() - {"name"} - VOLUMES:
                yield f"{name}: a volume of the kind {kind}"
        if context.get("sysctls"):
            yield f"{name}: sysctls"
        for container in containers(pod):
            yield from (f"{name}/{container['name']}: {p}" for p in _container(container, context))


def _container(container: Document, pod: Document) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = pod | own
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "may escalate privileges"
    if own.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "keeps capabilities"
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        yield "may run as root"
    if both.get("seccompProfile", {}).get("type") not in SECCOMP:
        yield "no seccomp profile"
    if both.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield "no AppArmor profile"
    if both.get("seLinuxOptions", {}).get("type") not in SELINUX:
        yield "a type of SELinux"
    if own.get("procMount", "Default") != "Default":
        yield "another procMount"
    if (pod.get("windowsOptions", {}) | own.get("windowsOptions", {})).get("hostProcess"):
        yield "a host process"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "a port of the host"


def confined(documents: list[Document]) -> Iterator[str]:
    """Where a pod is less confined than the image allows, or asks for what it does not use."""
    for name, pod in pods(documents):
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name}: a token of Kubernetes' API"
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in containers(pod):
            where = f"{name}/{container['name']}"
            if not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
                yield f"{where}: a writable root"
            for mount in container["volumeMounts"]:
                if mount["mountPath"] == "/tmp":
                    if not volumes[mount["name"]].get("emptyDir", {}).get("sizeLimit"):
                        yield f"{where}: a /tmp without limit"
                elif not mount.get("readOnly"):
                    yield f"{where}: {mount['mountPath']} is writable"
            if "/tmp" not in {mount["mountPath"] for mount in container["volumeMounts"]}:
                yield f"{where}: no /tmp"
            for part in ("requests", "limits"):
                if container["resources"].get(part, {}).keys() != {"cpu", "memory"}:
                    yield f"{where}: {part}"


def secrets(documents: list[Document]) -> Iterator[str]:
    """Where a secret is a value."""
    for document in documents:
        if document["kind"] == "Secret":
            yield f"a Secret {document['metadata']['name']}"
    for name, pod in pods(documents):
        for container in containers(pod):
            for variable in container.get("env", []):
                is_secret = SECRET_NAME.search(variable["name"].removesuffix("TOKEN_PATH"))
                if "value" in variable and is_secret:
                    yield f"{name}/{container['name']}: {variable['name']}"


def rights(documents: list[Document]) -> Iterator[str]:
    """Where an account may more than is needed."""
    for document in documents:
        name = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"].startswith("Cluster"):
            yield f"{name}: in every namespace"
        for rule in document.get("rules", []):
            for value in (v for values in rule.values() for v in values if v == "*"):
                yield f"{name}: {value}"
            for verb in sorted(set(rule["verbs"]) - VERBS - {"*"}):
                yield f"{name}: {verb}"


def images(documents: list[Document]) -> Iterator[str]:
    """Where another image is named than the project's, which Skaffold and kustomize replace."""
    for document in documents:
        for path, value in _fields(document, document["kind"]):
            if path.endswith(".image") and value != IMAGE:
                yield f"{path}: {value}"
    for name, pod in pods(documents):
        for container in containers(pod):
            if container.get("image") != IMAGE:
                yield f"{name}/{container['name']}: {container.get('image')}"


def network(documents: list[Document]) -> Iterator[str]:
    """Where a policy concerns other pods than those of one of our Jobs, or lets more through."""
    policies = [d for d in documents if d["kind"] == "NetworkPolicy"]
    labels = {
        d["metadata"]["name"]: d["spec"]["template"]["metadata"]["labels"]
        for d in documents
        if d["kind"] == "Job"
    }
    for policy in policies:
        name, spec = policy["metadata"]["name"], policy["spec"]
        wanted = spec["podSelector"].get("matchLabels", {})
        if wanted.get("app.kubernetes.io/name") != "tfx-mobile":
            yield f"{name}: selects pods that are not ours"
        if sorted(spec["policyTypes"]) != ["Egress", "Ingress"] or spec.get("ingress"):
            yield f"{name}: lets somebody in"
        for rule in spec.get("egress", []):
            if not rule.get("to") or not rule.get("ports"):
                yield f"{name}: lets out to everywhere"
            for peer in rule.get("to", []):
                if "ipBlock" not in peer and not (
                    peer.get("namespaceSelector", {}).get("matchLabels")
                    and peer.get("podSelector", {}).get("matchLabels")
                ):
                    yield f"{name}: lets out to a whole namespace"
    for job, given in labels.items():
        selecting = [
            p["metadata"]["name"]
            for p in policies
            if p["spec"]["podSelector"].get("matchLabels", {}).items() <= given.items()
        ]
        if selecting != [job]:
            yield f"the Job {job} is selected by {selecting}"


def namespaces(documents: list[Document]) -> Iterator[str]:
    """Where the namespace is open, or would be removed with the rest."""
    for document in documents:
        name = f"{document['kind']} {document['metadata']['name']}"
        if document["kind"] == "Namespace":
            yield f"{name}: would take all of KFP with it"
        elif not document["metadata"].get("namespace"):
            yield f"{name}: no namespace"


ALL = (restricted, confined, secrets, rights, images, network, namespaces)


def problems(documents: list[Document]) -> list[str]:
    """All of them."""
    return [problem for policy in ALL for problem in policy(documents)]


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """The specifications of pods, whatever makes them."""
    for document in documents:
        spec = document.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if document["kind"] == "Pod":
            yield document["metadata"]["name"], spec
        elif "template" in spec:
            yield document["metadata"]["name"], spec["template"]["spec"]


def containers(pod: Document) -> Iterator[Document]:
    """Every container of a pod."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, [])


def _fields(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _fields(inner, f"{path}[{index}]")
    else:
        yield path, value
