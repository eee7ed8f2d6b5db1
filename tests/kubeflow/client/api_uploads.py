"""Uploads of pipelines: no gRPC, so they fail in a way of their own."""

import contextlib
import io
import tarfile
import zipfile
from collections.abc import Iterator

from werkzeug.wrappers import Request

from tests.kubeflow.client import api_store
from tests.kubeflow.client.api_refusal import Code, Refusal
from tests.kubeflow.client.api_spec import Spec


class UploadError(Exception):
    """An upload that the server refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def text_of(request: Request) -> str:
    """The specification that a request brings, out of its archive if it is in one.

    Raises:
      UploadError: There is none.
    """
    if "uploadfile" not in request.files:
        raise UploadError(400, "Failed to read pipeline from file")
    file = request.files["uploadfile"]
    content = file.stream.read()
    if (file.filename or "").endswith((".yaml", ".yml", ".json")):
        return content.decode()
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(_main(archive.namelist())).decode()
    if content.startswith(b"\x1f\x8b"):
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            member = archive.extractfile(_main(archive.getnames()))
            assert member is not None
            return member.read().decode()
    raise UploadError(400, "Failed to read a pipeline spec file")


def name_of(request: Request, release: str) -> str:
    """What the pipeline or its version shall be called."""
    display_name = request.args.get("display_name", "") if release == api_store.NEW else ""
    return request.args.get("name") or display_name or request.files["uploadfile"].filename or ""


def spec_of(request: Request, outer: str) -> Spec:
    """The specification that a request brings.

    Raises:
      UploadError: There is none.
      Refusal: The server would not take it.
    """
    try:
        return Spec.read(text_of(request))
    except Refusal as refusal:
        message = f"{outer} due to template creation error: {refusal.message}"
        raise Refusal(refusal.code, message, refusal.external) from None


@contextlib.contextmanager
def explained(release: str, outer: str, kind: str) -> Iterator[None]:
    """Turns refusals into what the release says about them.

    Args:
      release: The newer one names no reasons but what is wrong with the specification.
      outer: What failed.
      kind: What has the name already, in the older one's words.
    """
    try:
        yield
    except Refusal as refusal:
        if refusal.code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED):
            words = outer.removesuffix(" and a pipeline version")
            if release != api_store.NEW:
                words += f" due to authorization error: {refusal.message}"
            raise UploadError(400, words) from None
        if release == api_store.NEW:
            is_wrong = refusal.code is Code.INVALID_ARGUMENT
            status = refusal.code.status if refusal.code is not Code.NOT_FOUND else 400
            raise UploadError(status, refusal.external if is_wrong else outer) from None
        if refusal.code is Code.ALREADY_EXISTS:
            message = f"{outer}. The {kind} already exists.: {refusal.message}"
            raise UploadError(409, message) from None
        if refusal.code is Code.NOT_FOUND:
            message = f"{outer} due to error reading namespace: {refusal.message}"
            raise UploadError(400, message) from None
        raise UploadError(500, f"{outer}: {refusal.message}") from None


def _main(names: list[str]) -> str:
    return "pipeline.yaml" if "pipeline.yaml" in names else names[0]
