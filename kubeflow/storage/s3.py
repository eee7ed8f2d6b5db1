"""Buckets of the S3 protocol: AWS, MinIO, SeaweedFS and others, by boto3."""

import contextlib
import functools
import io
import math
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import botocore.exceptions
import botocore.loaders
import botocore.parsers
import botocore.session
import s3transfer.exceptions
import urllib3.exceptions
from boto3.s3.transfer import ProgressCallbackInvoker, TransferConfig, create_transfer_manager
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from kubeflow.storage import answers, checksums
from kubeflow.storage.objects import Object, OnBytes
from kubeflow.storage.options import Options, on_this_machine
from kubeflow.storage.uris import Location
from pipelines.errors import StorageError, StorageMissingError, StorageRefusedError
from pipelines.messages import one_line

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

_PART = 8 << 20  # bytes
_THREADS = 10
_CONFLICTS = 5
_TRANSFER = TransferConfig(
    multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=_THREADS
)
_WRONG_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_DENIED = {"AccessDenied", "AccountProblem", "AllAccessDisabled", "401", "403"}
_OTHER_REGION = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "301",
}
_DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"} | {
    "XAmzContentSHA256Mismatch"
}
_NO_CREDENTIALS = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
    botocore.exceptions.CredentialRetrievalError,
    botocore.exceptions.ProfileNotFound,
)
_ELEMENTS = {
    "CompleteMultipartUpload": "ETag",
    "CreateMultipartUpload": "UploadId",
    "ListMultipartUploads": "Bucket",
    "ListObjectsV2": "ListBucketResult",
}
"""An element of the document that S3 answers with, by operation. Servers differ in other roots."""
_WITH_ETAG = {"GetObject", "HeadObject", "PutObject", "UploadPart"}
"""Operations that S3 always answers with an ETag."""
_UNTRUSTED = re.compile(r"certificate verify failed(?:: ([^()]*))?", re.IGNORECASE)


class S3Store:
    """A bucket."""

    def __init__(self, location: Location, options: Options) -> None:
        if location.scheme == "minio" and not options.endpoint:
            raise StorageRefusedError(
                f"{location} needs the address of its server: give --endpoint or set "
                "AWS_ENDPOINT_URL_S3"
            )
        self._scheme = location.scheme
        self._bucket = location.bucket
        self._address = options.endpoint or "AWS"
        self._cancelled = threading.Event()
        with self._explained():
            try:
                self._client = _client(options, self._cancelled)
            except ValueError as error:
                raise StorageRefusedError(f"{location} cannot be used: {_line(error)}") from error
            self._address = self._client.meta.endpoint_url
        self._manager = create_transfer_manager(self._client, _TRANSFER)

    def list(self, prefix: str) -> list[Object]:
        """Everything whose key begins with a prefix."""
        with self._explained():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            return [
                Object(
                    name=found["Key"].removeprefix(prefix),
                    size=found["Size"],
                    checksum=f"etag:{_plain(found['ETag'])}",
                    modified=found["LastModified"],
                )
                for page in pages
                for found in page.get("Contents", [])
            ]

    def read(self, key: str) -> bytes:
        """The content of an object."""
        content = io.BytesIO()
        with self._explained(key):
            # Unlike get_object, this asks again where the content breaks off.
            self._manager.download(self._bucket, key, content).result()
        return content.getvalue()

    def write(self, key: str, data: bytes) -> None:
        """Makes an object of some bytes, in one request."""
        with self._explained(key):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data)

    def create(self, key: str, data: bytes) -> bool:
        """Makes an object of some bytes unless there is one."""
        conflicts = 0
        while True:
            try:
                with self._explained(key, raw=True):
                    self._client.put_object(
                        Bucket=self._bucket, Key=key, Body=data, IfNoneMatch="*"
                    )
                return True
            except botocore.exceptions.ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code in {"PreconditionFailed", "412"}:
                    return False
                if code == "NotImplemented":
                    self.write(key, data)
                    return True
                # AWS asks to send it again where a delete of the same key came in between.
                conflicts += code == "ConditionalRequestConflict"
                if not 0 < conflicts < _CONFLICTS:
                    raise self._refusal(error, key) from error
                time.sleep(0.2)

    def fetch(self, key: str, file: Path, on_bytes: OnBytes) -> None:
        """Downloads an object; a large one in parts, several at a time."""
        with self._explained(key), file.open("wb") as stream:
            self._manager.download(
                self._bucket, key, stream, subscribers=[ProgressCallbackInvoker(on_bytes)]
            ).result()

    def put(self, file: Path, key: str, on_bytes: OnBytes) -> None:
        """Uploads a file; a large one in parts, which become an object when all have arrived."""
        if file.stat().st_size >= _PART:
            self._abort_unfinished(key)
        with self._explained(key):
            self._manager.upload(
                str(file), self._bucket, key, subscribers=[ProgressCallbackInvoker(on_bytes)]
            ).result()
            head = self._client.head_object(Bucket=self._bucket, Key=key)
        if self._matches(head["ETag"], key, file) is False:
            self.delete(key)
            raise StorageError(
                f"{self._name(key)} arrived with another content than {file} has and was removed: "
                "try again"
            )

    def delete(self, key: str) -> None:
        """Removes an object."""
        # DeleteObjects takes a thousand, but wants a checksum that servers do not agree on.
        with self._explained(key):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def holds(self, found: Object, key: str, file: Path) -> bool | None:
        """Compares the ETag with what it would be for the file."""
        return self._matches(found.checksum.removeprefix("etag:"), key, file)

    def make_bucket(self, prefix: str, region: str) -> bool:
        """Makes the bucket unless it is there."""
        region = region or self._client.meta.region_name
        asked: Any = {"Bucket": self._bucket}
        if region != "us-east-1":  # the first region of AWS, which refuses its own name
            asked["CreateBucketConfiguration"] = {"LocationConstraint": region}
        with self._explained():
            try:
                self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
                return False
            except self._client.exceptions.NoSuchBucket:
                self._client.create_bucket(**asked)
                return True

    def close(self, cancel: bool) -> None:
        """Ends the transfers; parts of those that are not finished are removed."""
        # Not `shutdown(cancel=True)`: s3transfer 0.19.3 hands its message on as the type of the
        # exception, so that a transfer in flight ends in a TypeError.
        with contextlib.suppress(s3transfer.exceptions.CancelledError), self._manager:
            if cancel:
                self._cancelled.set()
                raise s3transfer.exceptions.CancelledError("cancelled")
        self._client.close()

    def _matches(self, etag: str, key: str, file: Path) -> bool | None:
        """An ETag is an MD5, of the whole or of the parts, unless the bucket is encrypted."""
        digest, _, parts = _plain(etag).partition("-")
        if not re.fullmatch(r"[0-9a-f]{32}", digest):
            return None
        if not parts and digest == checksums.md5(file):
            return True
        with self._explained(key):
            head = self._client.head_object(Bucket=self._bucket, Key=key, PartNumber=1)
        if head.get("ServerSideEncryption", "").startswith("aws:kms"):
            return None
        if not parts:
            return False
        size = file.stat().st_size
        # A server that knows no part numbers says the size of the whole.
        for part_size in {head["ContentLength"], _PART}:
            if part_size and math.ceil(size / part_size) == int(parts):
                return checksums.md5_of_parts(file, part_size) == f"{digest}-{parts}"
        return None

    def _abort_unfinished(self, key: str) -> None:
        """Removes the parts that a killed upload to the same key left; they cost money."""
        # Servers without this call have no such parts, or a rule that removes them.
        with contextlib.suppress(botocore.exceptions.ClientError), self._explained(key, raw=True):
            found = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)
            for upload in found.get("Uploads", []):
                if upload["Key"] == key:
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=key, UploadId=upload["UploadId"]
                    )

    def _bucket_is_missing(self) -> bool:
        """What a HEAD of an object leaves open, having no content."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except botocore.exceptions.ClientError as error:
            return error.response.get("Error", {}).get("Code") == "404"
        return False

    def _name(self, key: str = "") -> str:
        return str(Location(self._scheme, self._bucket, key))

    @contextlib.contextmanager
    def _explained(self, key: str = "", raw: bool = False) -> Iterator[None]:
        """Says errors of the libraries in a sentence; with `raw`, not those that the store sent."""
        try:
            yield
        except botocore.exceptions.ClientError as error:
            if raw:
                raise
            raise self._refusal(error, key) from error
        except _NO_CREDENTIALS as error:
            raise StorageRefusedError(
                f"no credentials were found for {self._name(key)}: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give this machine or pod a role"
            ) from error
        except botocore.exceptions.SSLError as error:
            raise _untrusted(self._address, error) from error
        except botocore.exceptions.ParamValidationError as error:
            raise StorageRefusedError(
                f"{self._name(key)} is not a name that S3 takes: check bucket and path"
            ) from error
        except (
            botocore.exceptions.ConnectionError,
            botocore.exceptions.HTTPClientError,
            botocore.exceptions.IncompleteReadError,
            s3transfer.exceptions.RetriesExceededError,
        ) as error:
            raise StorageError(
                f"{self._address} cannot be reached for {self._name(key)} or breaks off "
                f"({_reason(error)}): check the endpoint and the network, then try again"
            ) from error
        except (
            KeyError,
            ValueError,
            botocore.exceptions.PaginationError,
            botocore.parsers.ResponseParserError,
        ) as error:
            raise answers.refusal(self._address, "data that cannot be read") from error
        except botocore.exceptions.BotoCoreError as error:
            raise StorageError(f"{self._name(key)} cannot be used: {_line(error)}") from error

    def _refusal(self, error: botocore.exceptions.ClientError, key: str) -> StorageError:
        """What a store answered, as a sentence."""
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        name = self._name(key)
        if code in _WRONG_CREDENTIALS:
            return StorageRefusedError(
                f"{self._address} does not take the credentials for {name} ({code}): check "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if code in _DENIED:
            return StorageRefusedError(
                f"access to {name} at {self._address} is denied: give the credentials the right "
                "to list, read and write there, or use others"
            )
        if code == "NoSuchBucket" or (code == "404" and self._bucket_is_missing()):
            return StorageRefusedError(
                f"there is no bucket {self._bucket} at {self._address}: make it, or check its name "
                "and the endpoint"
            )
        if code in {"NoSuchKey", "404"}:
            return StorageMissingError(f"there is no object {name} at {self._address}: check it")
        if code == "RequestTimeTooSkewed":
            return StorageRefusedError(f"the clocks here and at {self._address} differ: set them")
        if code in _OTHER_REGION:
            return StorageRefusedError(
                f"the bucket {self._bucket} is in another region: give --region or set AWS_REGION"
            )
        if code in _DAMAGED:
            return StorageError(f"{name} was damaged on its way to {self._address}: try again")
        if status >= 500 or status == 429:
            return StorageError(
                f"{self._address} still fails for {name} after several tries ({code or status}): "
                "try again later"
            )
        return StorageRefusedError(f"{self._address} refuses {name}: {_line(error)}")


def _client(options: Options, cancelled: threading.Event) -> "S3Client":
    session = botocore.session.get_session()
    session.register_component("data_loader", _loader())
    custom = bool(options.endpoint)
    addressing = options.addressing
    if addressing == "auto" and custom:
        addressing = "path"  # a bucket's own host name needs DNS that few such servers have
    # boto3 adds a CRC to every request by itself, which AWS verifies. rclone and MinIO take it,
    # SeaweedFS, Ceph and gateways of some age refuse it. Elsewhere than at AWS the signature
    # (http) or TLS (https) guards the way there, and each upload's ETag is compared after it.
    checksum: Any = "when_required" if custom else "when_supported"
    config = Config(
        s3={"addressing_style": addressing},
        retries={"mode": "standard", "total_max_attempts": 1 + _repeats(options.retry_seconds)},
        connect_timeout=min(5.0, options.timeout_seconds),
        read_timeout=options.timeout_seconds,
        max_pool_connections=_THREADS + 4,
        request_checksum_calculation=checksum,
        response_checksum_validation=checksum,
        proxies={} if custom and on_this_machine(options.endpoint) else None,
    )
    region = options.region or session.get_config_variable("region")
    client = session.create_client(
        "s3",
        endpoint_url=options.endpoint or None,
        region_name=region or ("us-east-1" if custom else None),
        verify=options.verify,
        config=config,
    )
    client.meta.events.register_first(
        "needs-retry.s3", functools.partial(_give_up, options.retry_seconds, cancelled)
    )
    s3: Any = client  # its types know neither the endpoint nor that handlers may answer
    patience = answers.TIMEOUTS * options.timeout_seconds
    send = functools.partial(_send, s3._endpoint, client.meta.endpoint_url, patience)
    s3.meta.events.register_first("before-send.s3", send)
    return cast("S3Client", client)


def _send(
    endpoint: Any,
    address: str,
    seconds: float,
    request: AWSPreparedRequest,
    event_name: str,
    **_: Any,
) -> AWSResponse:
    """Send a request as botocore does, and refuse an answer that S3 does not give.

    Raises:
      StorageRefusedError: A redirect, a page or something else, or the answer does not end.
      botocore.exceptions.HTTPClientError: There is no answer, or it breaks off.
    """
    operation = event_name.rpartition(".")[2]
    has_content = request.stream_output
    request.stream_output = True
    response = endpoint.http_session.send(request)
    if has_content and response.status_code in (200, 206):
        _check(address, operation, response.status_code, response.headers, b"")
        return cast(AWSResponse, response)
    try:
        raw = answers.read(response.raw, address, seconds)
    except urllib3.exceptions.HTTPError as error:
        raise botocore.exceptions.HTTPClientError(error=error) from error
    response = AWSResponse(response.url, response.status_code, response.headers, raw)
    _check(address, operation, response.status_code, response.headers, response.content)
    return response


def _check(
    address: str, operation: str, status: int, headers: Mapping[str, str], content: bytes
) -> None:
    """Refuse what S3 does not answer, by headers and all content that is not an object's."""
    elements = answers.find_elements(content)
    if 300 <= status < 400 and "x-amz-bucket-region" not in headers:
        # Without that header, botocore would ask for the region again and again.
        if "Error" in elements:
            raise StorageRefusedError(
                f"{address} says that the bucket is in another region or at another address: "
                "give --region or --endpoint"
            )
        raise answers.redirect(address, headers)
    if status >= 500 or "Error" in elements:
        return
    if status < 200 or (status >= 400 and answers.is_page(content)):
        raise answers.refusal(address, f"{answers.describe(content)} ({status})")
    if status >= 300:
        return
    has_form = _ELEMENTS[operation] in elements if operation in _ELEMENTS else not content
    has_length = operation != "GetObject" or "content-length" in headers
    has_etag = operation not in _WITH_ETAG or "etag" in headers
    if not (has_form and has_length and has_etag):
        raise answers.refusal(address, f"{answers.describe(content)} ({status})")


@functools.cache
def _loader() -> botocore.loaders.Loader:
    """The descriptions of S3 in JSON, which take longer to read than most requests do."""
    return botocore.loaders.create_loader()


def _repeats(seconds: float) -> int:
    """How many repeats take about so long: botocore counts them and knows no time.

    It waits half of 1, 2, 4, ... 20 s on average where a store is overloaded, and less elsewhere.
    """
    repeats, waited = 0, 0.0
    while (waited := waited + min(2.0**repeats, 20.0) / 2) <= seconds:
        repeats += 1
    return repeats


def _give_up(
    seconds: float,
    cancelled: threading.Event,
    caught_exception: Exception | None,
    request_dict: dict[str, Any],
    **_: Any,
) -> None:
    """Stop botocore's retries by raising the error.

    botocore counts tries, each of which may wait for its time-out. It also retries after a cancel,
    and after a certificate error, which no retry mends.
    """
    if cancelled.is_set():
        raise caught_exception or s3transfer.exceptions.CancelledError("cancelled")
    if caught_exception is None:
        return
    untrusted = _UNTRUSTED.search(str(caught_exception))
    first_failure = request_dict["context"].setdefault("tfx_mobile_failed", time.monotonic())
    if untrusted or time.monotonic() - first_failure > seconds:
        raise caught_exception


def _untrusted(address: str, error: Exception) -> StorageError:
    if found := _UNTRUSTED.search(str(error)):
        why = (found[1] or "").strip() or "certificate verify failed"
        return StorageRefusedError(
            f"the certificate of {address} is not trusted ({why}): give the PEM file of its CA "
            "with --ca-file or AWS_CA_BUNDLE"
        )
    return StorageError(
        f"{address} breaks off TLS: check that the endpoint begins with https:// only where the "
        "server has TLS"
    )


def _plain(etag: str) -> str:
    return etag.strip('"')


def _reason(error: Exception) -> str:
    """The kind of an error; its text repeats the address and more."""
    last = getattr(error, "last_exception", None)  # of s3transfer
    return type(last or error).__name__


def _line(error: Exception) -> str:
    return one_line(str(error))
