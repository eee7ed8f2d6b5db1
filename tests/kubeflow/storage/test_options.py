"""Options come from standard variables, and no credentials are among them."""

import dataclasses

import pytest

from kubeflow.storage import Options
from pipelines.errors import SettingsError


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Options()),
        ({"AWS_ENDPOINT_URL": "http://a"}, Options(endpoint="http://a")),
        (
            {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"},
            Options(endpoint="http://b"),
        ),
        ({"AWS_DEFAULT_REGION": "x"}, Options(region="x")),
        ({"AWS_DEFAULT_REGION": "x", "AWS_REGION": "y"}, Options(region="y")),
        ({"AWS_CA_BUNDLE": "ca.pem"}, Options(ca_file="ca.pem")),
        ({"STORAGE_EMULATOR_HOST": "http://e:1"}, Options(gcs_endpoint="http://e:1")),
        ({"STORAGE_EMULATOR_HOST": "e:1"}, Options(gcs_endpoint="http://e:1")),
        ({"TFX_MOBILE_S3_ADDRESSING": "virtual"}, Options(addressing="virtual")),
        ({"TFX_MOBILE_STORAGE_RETRY_SECONDS": "2.5"}, Options(retry_seconds=2.5)),
    ],
)
def test_the_environment(environment: dict[str, str], expected: Options) -> None:
    assert Options.from_environment(environment) == expected


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AWS_ENDPOINT_URL": "minio:9000"}, "has no scheme"),
        ({"AWS_ENDPOINT_URL": "http://key:zzz-secret@minio:9000"}, "holds credentials"),
        ({"TFX_MOBILE_S3_ADDRESSING": "dns"}, "auto, path, virtual"),
        ({"TFX_MOBILE_STORAGE_RETRY_SECONDS": "long"}, "a number of seconds"),
        ({"TFX_MOBILE_STORAGE_RETRY_SECONDS": "-1"}, "a number of seconds"),
    ],
)
def test_values_that_cannot_be_used(environment: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        Options.from_environment(environment)
    assert "zzz-secret" not in str(caught.value)


def test_no_option_holds_a_secret() -> None:
    names = {field.name for field in dataclasses.fields(Options)}
    assert not [name for name in names if any(w in name for w in ("key", "secret", "token"))]
