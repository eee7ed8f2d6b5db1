#!/bin/sh
# Skaffold calls it when it has deployed: waits for the Jobs of this deployment, and fails where one has failed.
set -eu

k() {
    kubectl --context "$SKAFFOLD_KUBE_CONTEXT" "$@"
}

# A line for each Job: its namespace, its name, and the conditions that hold.
jobs() {
    for namespace in $(echo "$SKAFFOLD_NAMESPACES" | tr , ' '); do
        k --namespace "$namespace" get jobs --selector "skaffold.dev/run-id=$SKAFFOLD_RUN_ID" --output \
            "jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name} {.status.conditions[?(@.status=='True')].type}{'\n'}{end}"
    done
}

# The deadline of the Jobs ends this, too.
while :; do
    found=$(jobs)
    [ -n "$found" ] || { echo "Nothing was deployed that uploads a pipeline: choose a profile of skaffold.yaml." >&2; exit 1; }
    echo "$found" | grep -qvE ' (Complete|Failed)( |$)' || break
    sleep 2
done
failed=$(echo "$found" | grep -E ' Failed( |$)') || exit 0
echo "$failed" | while read -r namespace job _; do
    echo "The Job $job failed in the namespace $namespace. The end of its log:" >&2
    k --namespace "$namespace" logs --selector "job-name=$job" --all-containers --tail 20 >&2 || :
done
exit 1
