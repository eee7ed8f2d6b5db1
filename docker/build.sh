#!/bin/sh
# Builds the image with plain docker; `make image` is the way to call it.
#
#   sh docker/build.sh [ARGUMENT OF docker build ...]
#
#   IMAGE=REFERENCE   default: tfx-mobile:COMMIT, with -dirty where the tree has changes
#   DOCKER=docker     the client
set -eu
cd -- "$(dirname -- "$0")/.."

docker=${DOCKER:-docker}
command -v "$docker" >/dev/null || {
    echo "There is no $docker to build the image with: install Docker, or give its client as DOCKER=." >&2
    exit 3
}

revision=$(git rev-parse HEAD 2>/dev/null) || revision=unknown
short=$(git rev-parse --short HEAD 2>/dev/null) || short=unknown
if [ -n "$(git status --porcelain 2>/dev/null)" ]; then
    revision=$revision-dirty short=$short-dirty
fi
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
image=${IMAGE:-tfx-mobile:$short}

# A host that only reaches a mirror has it in pip's configuration. The address may hold a password: a secret.
PIP_INDEX_URL=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || :)}
export PIP_INDEX_URL
[ -z "$PIP_INDEX_URL" ] || set -- --secret id=index,env=PIP_INDEX_URL "$@"
[ ! -s "${SSL_CERT_FILE:-}" ] || set -- --secret "id=ca,src=$SSL_CERT_FILE" "$@"

# TFX has no packages for another platform, such as that of a Mac.
DOCKER_BUILDKIT=1 "$docker" build --platform linux/amd64 --tag "$image" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" "$@" .

# Only a registry gives a digest; an image that was never pushed has none.
digest=$("$docker" image inspect --format '{{join .RepoDigests " "}}' "$image")
echo "image: $image"
[ -z "$digest" ] || echo "digest: $digest"
