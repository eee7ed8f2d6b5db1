"""Pipelines and their versions on a server."""

import contextlib
import dataclasses
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kubeflow.client.api import Api, where
from kubeflow.package import LATEST, Package
from pipelines.errors import ClusterMissingError, ClusterRefusedError

_DIGITS = 12
"""Of a content hash, in a version's name."""


@dataclasses.dataclass(frozen=True)
class Version:
    """A version on the server.

    Attributes:
      pipeline_id: Of its pipeline.
      version_id: Its own.
      name: `HASH` or `HASH-REVISION`, where we uploaded it.
      package: Its content.
    """

    pipeline_id: str
    version_id: str
    name: str
    package: Package

    @property
    def path(self) -> str:
        """Of its page in the UI."""
        return f"pipelines/details/{self.pipeline_id}/version/{self.version_id}"


def upload(api: Api, package: Package, compiled: Path, revision: str = "") -> tuple[Version, bool]:
    """Bring a pipeline to the server, unless it has this very version.

    Args:
      api: The connection.
      package: The pipeline.
      compiled: The file it was read from, which is sent as it is.
      revision: The revision of the sources, as `git describe` names it; part of the version's name.

    Returns:
      The version, and whether it is new.

    Raises:
      ClusterRefusedError: A pipeline of this name is not ours, or the server refuses it.
      ClusterError: The server cannot be reached, or fails.
    """
    digest = package.digest[:_DIGITS]
    name = f"{digest}-{revision}" if revision else digest

    with tempfile.TemporaryDirectory() as directory:
        # The server goes by the file's ending.
        file = shutil.copyfile(compiled, Path(directory) / "pipeline.yaml")
        pipeline_id, automatic = _own_pipeline(api, package.name, file)
        if not automatic and (found := _with_digest(api, pipeline_id, digest)):
            return _version(found), False
        new = _make_once(
            api,
            lambda: _with_digest(api, pipeline_id, digest),
            api.client.upload_pipeline_version,
            pipeline_package_path=str(file),
            pipeline_version_name=name,
            pipeline_id=pipeline_id,
        )
    if automatic:
        # Its name, the pipeline's, says nothing. Accounts without the verb `delete` leave it.
        with contextlib.suppress(ClusterRefusedError):
            api.remove(
                api.client.delete_pipeline_version,
                pipeline_id=pipeline_id,
                pipeline_version_id=automatic.pipeline_version_id,
            )
    return Version(pipeline_id, new.pipeline_version_id, new.display_name, package), True


def find_id(api: Api, pipeline: str) -> str:
    """The id of a pipeline that was uploaded.

    Raises:
      ClusterMissingError: There is none of this name.
      ClusterError: The server cannot be reached, or fails.
    """
    found = _pipeline(api, pipeline)
    if found is None:
        raise ClusterMissingError(
            f"{api.host} has no pipeline {pipeline}: upload it with tfx-mobile upload, or name "
            "another with --set name=..."
        )
    pipeline_id: str = found.pipeline_id
    return pipeline_id


def find(api: Api, pipeline: str, version: str = LATEST) -> Version:
    """A version that was uploaded.

    Args:
      api: The connection.
      pipeline: Name of the pipeline.
      version: Name of the version or the beginning of one, or `latest`.

    Raises:
      ClusterMissingError: There is none.
      ClusterRefusedError: Several versions begin so.
      ClusterError: The server cannot be reached, or fails.
    """
    return find_version(api, find_id(api, pipeline), pipeline, version)


def find_version(api: Api, pipeline_id: str, pipeline: str, version: str = LATEST) -> Version:
    """As `find`, for a pipeline whose ID is known."""
    if version == LATEST:
        versions = _newest(api, pipeline_id)
    else:
        versions = list(_containing(api, pipeline_id, version))
        exact = [v for v in versions if v.display_name == version]
        versions = exact or [v for v in versions if v.display_name.startswith(version)]
    if not versions:
        raise ClusterMissingError(
            f"the pipeline {pipeline} has no version {version}: upload it with tfx-mobile upload"
        )
    if len(versions) > 1:
        names = ", ".join(v.display_name for v in versions)
        raise ClusterRefusedError(f"{version} begins the names of several versions: {names}")
    return _version(versions[0])


def get(api: Api, pipeline_id: str, version_id: str) -> Version:
    """A version by its id.

    Raises:
      ClusterMissingError: It was deleted.
      ClusterError: The server cannot be reached, or fails.
    """
    return _version(
        api.ask(
            api.client.get_pipeline_version,
            pipeline_id=pipeline_id,
            pipeline_version_id=version_id,
        )
    )


def git_revision(directory: Path) -> str:
    """The revision of a directory, `-dirty` where something changed; empty without git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],
            cwd=directory,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return described.stdout.strip()


def _pipeline(api: Api, name: str) -> Any | None:
    # `get_pipeline_id` of the client knows no namespace.
    found = api.pages(
        api.client.list_pipelines,
        "pipelines",
        filter=where("display_name", name),
        namespace=api.namespace,
    )
    return next(found, None)


def _own_pipeline(api: Api, name: str, file: Path) -> tuple[str, Any | None]:
    """The pipeline's ID, and the version that KFP made by itself if the pipeline is new."""
    found = _pipeline(api, name)
    if found is None:
        found = _make_once(
            api,
            lambda: _pipeline(api, name),
            api.client.upload_pipeline,
            pipeline_package_path=str(file),
            pipeline_name=name,
            namespace=api.namespace,
        )
        newest = _newest(api, found.pipeline_id)
        is_automatic = newest and newest[0].display_name == name
        return found.pipeline_id, newest[0] if is_automatic else None
    newest = _newest(api, found.pipeline_id)
    if newest and not _version(newest[0]).package.is_ours:
        raise ClusterRefusedError(
            f"the name {name} is taken by a pipeline that tfx-mobile did not compile: take another "
            "with --set name=... when compiling"
        )
    return found.pipeline_id, None


def _make_once(
    api: Api, find: Callable[[], Any | None], method: Callable[..., Any], **arguments: Any
) -> Any:
    """As `Api.make`; finds what another client made between our look-up and our request."""
    try:
        return api.make(find, method, **arguments)
    except ClusterRefusedError:
        if (found := find()) is None:
            raise
        return found


def _newest(api: Api, pipeline_id: str) -> list[Any]:
    """The newest version, if there is one."""
    page = api.ask(
        api.client.list_pipeline_versions,
        pipeline_id=pipeline_id,
        page_size=1,
        sort_by="created_at desc",
    )
    return list(page.pipeline_versions or [])


def _containing(api: Api, pipeline_id: str, text: str) -> Iterator[Any]:
    """The versions whose names may contain a text, newest first."""
    # The server decodes a filter once more than it should, and reads it as a pattern of SQL.
    is_plain = re.fullmatch(r"[A-Za-z0-9.-]+", text)
    return api.pages(
        api.client.list_pipeline_versions,
        "pipeline_versions",
        pipeline_id=pipeline_id,
        sort_by="created_at desc",
        filter=where("display_name", text, "IS_SUBSTRING") if is_plain else None,
    )


def _version(found: Any) -> Version:
    return Version(
        found.pipeline_id,
        found.pipeline_version_id,
        found.display_name,
        Package.of_version(found.pipeline_spec or {}),
    )


def _with_digest(api: Api, pipeline_id: str, digest: str) -> Any | None:
    found = _containing(api, pipeline_id, digest)
    return next((v for v in found if v.display_name.partition("-")[0] == digest), None)
