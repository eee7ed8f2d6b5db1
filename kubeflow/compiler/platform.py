"""The platform document: what Kubernetes, rather than KFP, is to know of each task's pod."""

from typing import Any

from kubeflow.spec import Spec
from pipelines.settings import Settings


def build(spec: Spec, settings: Settings) -> dict[str, Any] | None:
    """The second YAML document, or None where nothing is asked for.

    Its shape is `KubernetesExecutorConfig` (`kubernetes_platform/proto` in KFP), in the spelling
    that KFP 2.4 to 2.17 read alike.
    """
    kubeflow, beam = settings.kubeflow, settings.beam
    pod: dict[str, Any] = {}
    if kubeflow.image_pull_policy:
        pod["imagePullPolicy"] = kubeflow.image_pull_policy
    if kubeflow.image_pull_secrets:
        pod["imagePullSecret"] = [{"secretName": name} for name in kubeflow.image_pull_secrets]
    if kubeflow.node_selector:
        pod["nodeSelector"] = {"labels": dict(sorted(kubeflow.node_selector.items()))}
    if kubeflow.tolerations:
        pod["tolerations"] = [
            {key: value for key, value in toleration.model_dump().items() if value}
            for toleration in kubeflow.tolerations
        ]
    if kubeflow.secrets:
        by_secret: dict[str, list[dict[str, str]]] = {}
        for variable in kubeflow.secrets:
            by_secret.setdefault(variable.secret, []).append(
                {"secretKey": variable.key, "envVar": variable.variable}
            )
        pod["secretAsEnv"] = [
            {"secretName": secret, "keyToEnv": keys} for secret, keys in by_secret.items()
        ]
    if beam.staging_claim:
        pod["pvcMount"] = [{"constant": beam.staging_claim, "mountPath": beam.staging}]
    if not pod:
        return None
    executors = {
        label: pod
        for label, executor in sorted(spec["deploymentSpec"]["executors"].items())
        if "container" in executor
    }
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
