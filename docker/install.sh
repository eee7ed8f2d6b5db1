#!/bin/sh
# Installs a lock file into a new environment at $VIRTUAL_ENV.
#
#   install.sh requirements/current.txt
#
# Two secrets of the build, both optional: `index` holds the address of a package index to use instead of PyPI,
# `ca` the certificates to trust. As secrets they reach no layer and no history.
set -eu

secrets=/run/secrets
if [ -s "$secrets/index" ]; then
    PIP_INDEX_URL=$(cat "$secrets/index")
    export PIP_INDEX_URL UV_DEFAULT_INDEX="$PIP_INDEX_URL"
fi
if [ -s "$secrets/ca" ]; then
    export PIP_CERT="$secrets/ca" SSL_CERT_FILE="$secrets/ca"
fi

# uv goes into the builder's Python, so it stays behind there.
python -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: \
    --require-hashes -r requirements/bootstrap.txt
python -m venv --without-pip "$VIRTUAL_ENV"
# No build isolation: source packages are built by the locked setuptools, so nothing comes in without a hash.
uv pip install --no-deps --require-hashes -r requirements/build.txt
uv pip sync --no-build-isolation --require-hashes "$1"
