"""What a server answers that is no object store, or one that is out of order."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from kubeflow import storage
from kubeflow.storage import Options
from pipelines.errors import StorageError, StorageRefusedError
from tests.kubeflow.answers import Answer, json_text, page, serving, xml_text

NO_STORE = "check the endpoint"
FAILS = "try again"
LISTING = "<ListBucketResult><Name>b</Name><Contents>{}</Contents></ListBucketResult>"
ENTRY = "<Key>x/a</Key><Size>{}</Size><ETag>e</ETag><LastModified>{}</LastModified>"
JSON_ENTRY = '{{"name": "x/a", "size": "{}", "crc32c": "x", "updated": "{}"}}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\nabc"


def objects(*items: str) -> Answer:
    return json_text(f'{{"kind": "storage#objects", "items": [{", ".join(items)}]}}')


BOTH = {
    "page": (page(), NO_STORE),
    "xhtml": (xml_text("<html xmlns='http://www.w3.org/1999/xhtml'><head/></html>"), NO_STORE),
    "list": (json_text("[]"), NO_STORE),
    "object": (json_text("{}"), NO_STORE),
    "null": (json_text("null"), NO_STORE),
    "number": (json_text("17"), NO_STORE),
    "nothing": (Answer(), NO_STORE),
    "204": (Answer("204 No Content", length=-1), NO_STORE),
    "205": (Answer("205 Reset Content"), NO_STORE),
    "206": (Answer("206 Partial Content", b"abc"), NO_STORE),
    "102": (Answer(raw=b"HTTP/1.1 102 Processing\r\n\r\n"), NO_STORE),
    "300": (page("300 Multiple Choices"), NO_STORE),
    "301": (page("301 Moved Permanently", "Location: {elsewhere}/login?session=s3cr3t"), NO_STORE),
    "302": (page("302 Found", "Location: {elsewhere}/login?session=s3cr3t"), NO_STORE),
    "303": (page("303 See Other", "Location: {elsewhere}/login?session=s3cr3t"), NO_STORE),
    "307": (page("307 Temporary Redirect", "Location: {elsewhere}/?session=s3cr3t"), NO_STORE),
    "308": (page("308 Permanent Redirect", "Location: {elsewhere}/?session=s3cr3t"), NO_STORE),
    "302-loop": (Answer("302 Found", headers=("Location: /x",)), NO_STORE),
    "302-nowhere": (Answer("302 Found"), NO_STORE),
    "400-page": (page("400 Bad Request"), NO_STORE),
    "401-page": (page("401 Unauthorized"), NO_STORE),
    "403-page": (page("403 Forbidden"), NO_STORE),
    "404-page": (page("404 Not Found"), NO_STORE),
    "405-page": (page("405 Method Not Allowed"), NO_STORE),
    "500-page": (page("500 Internal Server Error"), FAILS),
    "502-list": (json_text("[]", "502 Bad Gateway"), FAILS),
    "truncated-xml": (xml_text("<ListBucketResult><Contents><Ke"), NO_STORE),
    "truncated-json": (json_text('{"kind": "storage#objects", "items": [{"na'), NO_STORE),
    "no-http": (Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), FAILS),
    "no-gzip": (Answer(body=b"abc", headers=("Content-Encoding: gzip",)), ""),
    "no-chunks": (Answer(raw=CHUNKED), ""),
    "longer-than-its-length": (Answer(body=b"abcdef", length=2), NO_STORE),
    "shorter-than-its-length": (Answer(body=b"abc", length=100), ""),
    "no-number-as-length": (
        Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: many\r\nConnection: close\r\n\r\nabc"),
        NO_STORE,
    ),
    "endless": (Answer(body=b"<", tail=b"x" * 65536), NO_STORE),
    "slow": (Answer(body=b"<", tail=b"x" * 500, pause=0.02), NO_STORE),
}
ONLY = {
    "s3": {
        "301-of-a-store": (
            xml_text("<Error><Code>PermanentRedirect</Code></Error>", "301 Moved Permanently"),
            "another region or at another address",
        ),
        "301-region": (
            xml_text(
                "<Error><Code>PermanentRedirect</Code></Error>",
                "301 Moved Permanently",
                "x-amz-bucket-region: eu-west-1",
            ),
            "is in another region",
        ),
    },
    "gs": {
        "400-text": (json_text('{"error": "invalid_grant"}', "400 Bad Request"), ""),
        "400-types": (
            json_text('{"error": {"errors": 3, "message": ["x"]}}', "400 Bad Request"),
            "",
        ),
    },
}
LISTINGS = {
    "s3": {
        "no-fields": xml_text(LISTING.format("")),
        "size": xml_text(LISTING.format(ENTRY.format("many", "2020-01-01T00:00:00Z"))),
        "time": xml_text(LISTING.format(ENTRY.format("3", "yesterday"))),
        "same-page": xml_text(
            "<ListBucketResult><IsTruncated>true</IsTruncated>"
            "<NextContinuationToken>a</NextContinuationToken></ListBucketResult>"
        ),
    },
    "gs": {
        "no-list": json_text('{"kind": "storage#objects", "items": 3}'),
        "no-object": objects("3"),
        "no-fields": objects("{}"),
        "size": objects(JSON_ENTRY.format("many", "2020-01-01T00:00:00.000Z")),
        "time": objects(JSON_ENTRY.format("3", "yesterday")),
        "same-page": json_text('{"kind": "storage#objects", "nextPageToken": "a"}'),
    },
}
"""Answers that begin as a listing does."""


@pytest.fixture(autouse=True)
def _credentials(_nothing_from_outside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")


def options(endpoint: str) -> Options:
    return Options(
        endpoint=endpoint,
        gcs_endpoint=endpoint,
        region="us-east-1",
        retry_seconds=0.3,
        timeout_seconds=0.1,
    )


def sentence(work: Callable[[], object], kind: type[StorageError] = StorageError) -> str:
    """What a call says, within seconds."""
    start = time.monotonic()
    with pytest.raises(kind) as caught:
        work()
    assert time.monotonic() - start < 20
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 700
    assert "s3cr3t" not in text
    assert (caught.value.exit_code == 2) == isinstance(caught.value, StorageRefusedError)
    return text


@pytest.mark.parametrize(
    ("scheme", "name"),
    [(scheme, name) for scheme in ("s3", "gs") for name in (*BOTH, *ONLY[scheme])],
)
def test_every_call_ends_with_one_sentence(scheme: str, name: str, tmp_path: Path) -> None:
    answer, words = {**BOTH, **ONLY[scheme]}[name]
    small, large = tmp_path / "small", tmp_path / "large"
    for directory, size in ((small, 1000), (large, 9 << 20)):
        directory.mkdir()
        (directory / "f").write_bytes(b"x" * size)
    uri = f"{scheme}://bucket/x"
    with serving(page()) as elsewhere, serving(answer.pointing_to(elsewhere.endpoint)) as server:
        reach = options(server.endpoint)
        for work in (
            lambda: storage.list_objects(uri, reach),
            lambda: storage.read_bytes(f"{uri}/f", reach),
            lambda: storage.read_objects(uri, ["f"], reach),
            lambda: storage.write_bytes(f"{uri}/f", b"abc", reach),
            lambda: storage.create_bytes(f"{uri}/f", b"abc", reach),
            lambda: storage.delete(uri, reach),
            lambda: storage.upload(small, uri, reach),
            lambda: storage.upload(small, uri, reach, present=()),
            lambda: storage.upload(large, uri, reach, present=()),
            lambda: storage.download(uri, tmp_path / "out", reach),
            lambda: storage.make_bucket(uri, reach),
        ):
            kind = StorageRefusedError if words == NO_STORE else StorageError
            text = sentence(work, kind)
            assert words in text
            assert server.endpoint in text or "bucket" in text
        assert elsewhere.requests == []  # nobody's credentials went there
        assert len(server.requests) < 100
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(
    ("scheme", "name"), [(scheme, name) for scheme in LISTINGS for name in LISTINGS[scheme]]
)
def test_a_listing_that_cannot_be_read(scheme: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    uri = f"{scheme}://bucket/x"
    with serving(LISTINGS[scheme][name]) as server:
        reach = options(server.endpoint)
        for work in (
            lambda: storage.list_objects(uri, reach),
            lambda: storage.delete(uri, reach),
            lambda: storage.upload(tmp_path, uri, reach),
            lambda: storage.download(uri, tmp_path, reach),
            lambda: storage.read_bytes(f"{uri}/f", reach),
            lambda: storage.write_bytes(f"{uri}/f", b"abc", reach),
        ):
            assert NO_STORE in sentence(work, StorageRefusedError)
        assert len(server.requests) < 100


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("digits")
    result = CliRunner().invoke(main, ["data", "--source", "digits", "--output", str(directory)])
    assert result.exit_code == 0, result.output
    return directory


@pytest.mark.parametrize("command", ["data ls", "data prune", "report", "data push"])
@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize("name", ["page", "302", "list", "nothing", "truncated-xml"])
def test_commands(
    scheme: str,
    name: str,
    command: str,
    digits: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = [*command.split(), f"{scheme}://bucket/x"]
    monkeypatch.chdir(tmp_path)
    if command == "data push":
        arguments.insert(2, str(digits))
    answer = BOTH[name][0].pointing_to("http://127.0.0.1:1")
    with serving(answer) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.endpoint)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.endpoint)
        monkeypatch.setenv("TFX_MOBILE_STORAGE_RETRY_SECONDS", "0.3")
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"tfx-mobile: {server.endpoint} answers with ")
    assert line.endswith(NO_STORE)
    assert result.stdout == ""
    assert not (tmp_path / "report.json").exists()
