#!/bin/sh
# A cluster of kind's on this machine with Kubeflow Pipelines, and the pipeline uploaded to it; `make kind-up` and
# `make kind-down` are the way to call it.
#
#   sh kubeflow/manifests/kind.sh up|down
#
#   KFP_VERSION=2.17.0   the release of Kubeflow Pipelines
set -eu
cd -- "$(dirname -- "$0")/../.."

name=tfx-mobile
version=${KFP_VERSION:-2.17.0}
from=github.com/kubeflow/pipelines/manifests/kustomize

lacks() {
    echo "kind-$action lacks $1" >&2
    exit 3
}

need() {
    missing=
    for program in "$@"; do
        command -v "$program" >/dev/null || missing="$missing${missing:+, }$program"
    done
    [ -z "$missing" ] || lacks "$missing: install what is missing and run the same command again."
}

k() {
    kubectl --context "kind-$name" "$@"
}

up() {
    # kubectl fetches the manifests of KFP with git.
    need docker kind kubectl git skaffold
    docker info >/dev/null 2>&1 || lacks "Docker's daemon: start it, or get the right to use it, and run the same command again."
    if ! kind get clusters 2>/dev/null | grep -qx "$name"; then
        kind create cluster --config kubeflow/manifests/overlays/kind/cluster.yaml --wait 5m
    fi
    k apply -k "$from/cluster-scoped-resources?ref=$version"
    k wait --for condition=established --timeout 60s crd/applications.app.k8s.io
    k apply -k "$from/env/platform-agnostic?ref=$version"
    # What does not meet the standard is warned of, KFP's own pods among it, and let in.
    k label --overwrite namespace kubeflow pod-security.kubernetes.io/warn=restricted
    k --namespace kubeflow wait --for condition=available --timeout 20m deployment --all
    skaffold run --kube-context "kind-$name" --profile kind
    cat <<END

The pipeline is on Kubeflow Pipelines $version. Its UI, at http://localhost:8080, after
  kubectl --context kind-$name port-forward -n kubeflow svc/ml-pipeline-ui 8080:80
END
}

down() {
    need docker kind
    kind delete cluster --name "$name"
}

action=${1:-}
case $action in
up | down) "$action" ;;
*)
    echo "usage: kind.sh up|down" >&2
    exit 2
    ;;
esac
