"""YAML that users write: texts stay texts, and what is ambiguous is refused with its line."""

import time
from pathlib import Path
from typing import Any

import pytest

from pipelines import settings, yaml_text
from pipelines.errors import SettingsError


def write(directory: Path, content: str | bytes) -> Path:
    file = directory / "settings.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def refusal(directory: Path, content: str | bytes) -> str:
    """The sentence about a settings file, without the directory."""
    with pytest.raises(SettingsError) as caught:
        settings.load(write(directory, content))
    message = str(caught.value).replace(f"{directory}/", "")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("3.10", "the number 3.1"),
        ("1_000", "the number 1000"),
        ("0x10", "the number 16"),
        ("1.0e+3", "the number 1000.0"),
        ("12:30", "the number 750"),
        ("010", "the number 8"),
        (".inf", "the number inf"),
        ("5", "a number"),
        ("2026-11-27", "a date"),
        ("2026-11-27T12:00:00Z", "a date"),
        ("yes", "a truth value"),
        ("Off", "a truth value"),
        ("true", "a truth value"),
        ("~", "null"),
        ("Null", "null"),
    ],
)
@pytest.mark.parametrize("place", ["environment", "node_selector"])
def test_what_is_not_a_text_is_refused_as_it_is_written(
    tmp_path: Path, written: str, kind: str, place: str
) -> None:
    message = refusal(tmp_path, f"kubeflow:\n  {place}:\n    KEY: {written}\n")
    expected = f"kubeflow.{place}.KEY: {written} is read as {kind}; quote it: '{written}'"
    assert message.startswith(expected)
    assert message.endswith(" (settings.yaml, line 3)")


def test_empty_value_where_a_text_is_wanted(tmp_path: Path) -> None:
    message = refusal(tmp_path, "kubeflow: {environment: {KEY: }}")
    assert message.startswith("kubeflow.environment.KEY: no value is read as null; quote it: ''")


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("name: 2024", "name"),
        ("data: {source: 2024}", "data.source"),
        ("data: {source: on}", "data.source"),
        ("preprocessing_fn: 1.5", "preprocessing_fn"),
        ("branches: [keras, {name: 8, kind: lite}]", "branches.1.name"),
        ("beam: {options: [--a=b, 5]}", "beam.options.1"),
        ("cluster: {namespace: 2024}", "cluster.namespace"),
        ("cluster: {experiment: 1.0}", "cluster.experiment"),
        ("kubeflow: {image: 1.10}", "kubeflow.image"),
        ("kubeflow: {uncached: [no]}", "kubeflow.uncached.0"),
        ("kubeflow: {image_pull_secrets: [7]}", "kubeflow.image_pull_secrets.0"),
        ("kubeflow: {tolerations: [{key: a, value: 1}]}", "kubeflow.tolerations.0.value"),
        (
            "kubeflow: {secrets: [{secret: a, key: 1, variable: V}]}",
            "kubeflow.secrets.0.key",
        ),
    ],
)
def test_every_text_is_asked_to_be_quoted(tmp_path: Path, text: str, setting: str) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(f"{setting}: ")
    assert "quote it" in message


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("'3.10'", "3.10"),
        ('"12:30"', "12:30"),
        ("!!str 010", "010"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
    ],
)
def test_texts_arrive_as_they_are_written(tmp_path: Path, written: str, text: str) -> None:
    file = write(tmp_path, f"kubeflow: {{environment: {{KEY: {written}}}}}")
    assert settings.load(file).kubeflow.environment == {"KEY": text}


def test_option_is_quoted_for_yaml_within_the_quotes_of_the_shell() -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(overrides=["kubeflow.environment.V=3.10"])
    message = str(caught.value)
    assert message.startswith("kubeflow.environment.V: 3.10 is read as the number 3.1; quote it: ")
    assert "'\"3.10\"'" in message
    assert "--set kubeflow.environment.V" in message
    loaded = settings.load(overrides=['kubeflow.environment.V="3.10"'])
    assert loaded.kubeflow.environment == {"V": "3.10"}


def test_option_replaces_the_wrong_value_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "kubeflow: {environment: {V: 3.10}}")
    loaded = settings.load(file, ['kubeflow.environment={V: "3.10"}'])
    assert loaded.kubeflow.environment == {"V": "3.10"}
    with pytest.raises(SettingsError, match=r"environment\.V: Input should be a valid string"):
        settings.load(file, ["kubeflow.environment.V={a: b}"])


@pytest.mark.parametrize("written", ["010", "-010", "12:30", "1:30.5", "00"])
def test_number_that_readers_of_yaml_disagree_on_is_refused(tmp_path: Path, written: str) -> None:
    message = refusal(tmp_path, f"training:\n  steps: {written}\n")
    assert message.startswith(f"training.steps: {written} is read as ")
    assert ", or write " in message
    assert message.endswith(" for the number (settings.yaml, line 2)")


@pytest.mark.parametrize(
    ("text", "key", "line", "first"),
    [
        ("training: {steps: 1}\nname: a\ntraining: {seed: 2}", "training", 3, 1),
        ("training:\n  steps: 1\n  steps: 2\n", "training.steps", 3, 2),
        ("training: {steps: 1, steps: 2}", "training.steps", 1, 1),
        ("branches:\n- keras\n- {name: lite, name: x}", "branches.1.name", 3, 3),
        ("name: a\n'name': b", "name", 2, 1),
        ("training:\n  <<: {steps: 1}\n  <<: {seed: 2}\n", "training.<<", 3, 2),
    ],
)
def test_key_that_is_there_twice(
    tmp_path: Path, text: str, key: str, line: int, first: int
) -> None:
    assert refusal(tmp_path, text) == (
        f"settings.yaml, line {line}: the key {key} is there twice, first in line {first}: keep "
        "one of them"
    )


def test_key_that_is_there_twice_in_an_option() -> None:
    with pytest.raises(SettingsError, match=r"--set training: the key steps is there twice: keep"):
        settings.load(overrides=["training={steps: 1, steps: 2}"])


def test_merged_mapping_gives_what_the_own_one_lacks(tmp_path: Path) -> None:
    text = "training: {<<: [{steps: 1, seed: 2}, {seed: 3, batch_size: 4}], steps: 5}"
    training = settings.load(write(tmp_path, text)).training
    assert (training.steps, training.seed, training.batch_size) == (5, 2, 4)


def test_alias_is_a_copy(tmp_path: Path) -> None:
    file = write(tmp_path, "kubeflow: {environment: &a {K: v}, node_selector: *a}")
    loaded = settings.load(file, ["kubeflow.environment.MORE=x"]).kubeflow
    assert (loaded.environment, loaded.node_selector) == ({"K": "v", "MORE": "x"}, {"K": "v"})


LAUGHS = "\n".join(
    ["a0: &a0 {k: lol}"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
)
MERGED_LAUGHS = "\n".join(
    ["a0: &a0 {k: lol}"]
    + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 10)]
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1: x", ["line 1", "the key 1 is read as a number; quote it: '1'"]),
        ("kubeflow:\n  environment: {on: x}", ["line 2", "the key on is read as a truth value"]),
        ("~: x", ["line 1", "the key ~ is read as null"]),
        ("?\n: x", ["line 1", "the key null is read as null"]),
        ("2026-11-27: x", ["line 1", "the key 2026-11-27 is read as a date"]),
        ("? [a]\n: b", ["line 1", "a key of the document is not a text"]),
        ("{a: b}: c", ["line 1", "not a text"]),
        ("name: &a [*a]", ["line 1", "name.0 contains itself"]),
        ("name: &a {b: *a}", ["line 1", "name.b contains itself"]),
        ("name: &a {<<: *a}", ["line 1", "contains itself"]),
        (LAUGHS, ["more than 200,000 values", "aliases"]),
        (MERGED_LAUGHS, ["more than 200,000 values", "aliases"]),
        ("[" * 5000, ["not valid YAML", "nested too deeply"]),
        ("name: !!python/object/apply:os.system [ls]", ["!!python/object/apply:os.system"]),
        ("name: !!binary aGk=", ["the tag !!binary is not taken"]),
        ("name: !own x", ["the tag !own is not taken"]),
        ("branches: !!set {a}", ["the tag !!set is not taken"]),
        ("training: {steps: !!int '5'}", ["training.steps: the tag !!int is not taken"]),
        ("name: !!timestamp x", ["the tag !!timestamp is not taken"]),
        ("name: 2026-02-30", ["name: 2026-02-30 is not a date", "quote it"]),
        ("a: b\n---\nc: d", ["line 2", "expected a single document"]),
        ("training:\n\tsteps: 1", ["line 2", "indent with spaces"]),
        ("name: @daily", ["line 1", "quote a value"]),
        ("name: * * *", ["line 1", "quote a value"]),
        ("training: {<<: 3}", ["<< takes a mapping"]),
        ("training:\n  steps: " + "9" * 5000, ["line 2", "training.steps: "]),
        ("name: mine".encode("utf-16"), ["settings.yaml is not UTF-8"]),
        ("name: größe".encode("latin-1"), ["settings.yaml is not UTF-8"]),
        ("name: \x07", ["settings.yaml is not valid YAML"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else ascii(value)[1:20],
)
def test_hard_files(tmp_path: Path, content: str | bytes, words: list[str]) -> None:
    start = time.monotonic()
    message = refusal(tmp_path, content)
    for word in words:
        assert word in message
    assert time.monotonic() - start < 30


def test_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    assert settings.load(write(tmp_path, b"\xef\xbb\xbfname: mine\r\n")).name == "mine"


def test_windows_lines(tmp_path: Path) -> None:
    file = write(tmp_path, "name: mine\r\ntraining:\r\n  steps: 7\r\n")
    assert settings.load(file).training.steps == 7


def test_document_keeps_what_yaml_made_of_it(tmp_path: Path) -> None:
    content: dict[str, Any] = {"a": 1, "b": [0.5, None, True], "c": "x"}
    document = yaml_text.read(write(tmp_path, "{a: 1, b: [0.5, null, yes], c: x}"), "the file")
    assert document.value == content
    assert set(document.scalars) == {("a",), ("b", 0), ("b", 1), ("b", 2)}
