# The image of every task on Kubeflow Pipelines: the locked packages and tfx-mobile, nothing to build with.
# docs/image.md tells how to build it.
ARG BASE=python:3.12-slim-trixie


# The environment.
FROM ${BASE} AS packages
# pyfarmhash, deep inside TFX, ships as source only. Debian drops a pinned version with its next update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
ENV VIRTUAL_ENV=/opt/tfx-mobile \
    UV_LINK_MODE=copy
WORKDIR /build
ARG STACK=current
COPY requirements/bootstrap.txt requirements/build.txt requirements/${STACK}.txt requirements/
RUN --mount=type=cache,target=/root/.cache \
    --mount=type=secret,id=index \
    --mount=type=secret,id=ca \
    --mount=type=bind,source=docker/install.sh,target=/build/install.sh \
    sh install.sh requirements/${STACK}.txt
RUN --mount=type=bind,source=docker/slim.sh,target=/build/slim.sh \
    --mount=type=bind,source=docker/bytecode.sh,target=/build/bytecode.sh \
    sh slim.sh ${VIRTUAL_ENV} && sh bytecode.sh ${VIRTUAL_ENV}/lib


# tfx-mobile in a directory of its own: a change of it pushes and pulls kilobytes.
FROM packages AS project
COPY . .
RUN uv pip install --offline --no-deps --no-build-isolation --prefix /opt/project . \
    && sh docker/bytecode.sh /opt/project/lib


FROM ${BASE}
# Python's own image comes without bytecode, and with pip, which TFX runs for `module_file` only.
RUN --mount=type=bind,source=docker/bytecode.sh,target=/bytecode.sh \
    rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/pip* \
    && sh /bytecode.sh /usr/local/lib/python3*
COPY --from=packages /opt/tfx-mobile /opt/tfx-mobile
COPY --from=project /opt/project /opt/tfx-mobile
# Our packages win over others of the same names, such as Kubeflow's SDK in an image made from this one.
RUN /opt/tfx-mobile/bin/python -I /opt/tfx-mobile/lib/python3*/site-packages/modules/precedence.py
# KFP calls `python -m kubeflow.adapter`, and the first `python` on PATH is the environment's. All that wants to
# write finds its place below HOME: the root is read-only, the user any number, and only /tmp is theirs.
ENV PATH=/opt/tfx-mobile/bin:${PATH} \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    TF_USE_LEGACY_KERAS=1 \
    KERAS_BACKEND=tensorflow \
    TFX_MOBILE_USER_FOLDERS=/opt/user
USER 1000
ENTRYPOINT ["tfx-mobile"]
# Last, since they change with every commit.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tfx-mobile" \
      org.opencontainers.image.description="One TFX pipeline that trains a Keras and a TFLite model side by side" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
