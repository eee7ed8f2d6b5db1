"""Settings: defaults, files, overrides, and one sentence for everything that is wrong."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from pipelines import settings
from pipelines.errors import SettingsError


def load_text(tmp_path: Path, text: str | bytes, *overrides: str) -> settings.Settings:
    file = tmp_path / "settings.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return settings.load(file, overrides)


def sentence(*overrides: str) -> str:
    """What a person is told about these overrides."""
    with pytest.raises(SettingsError) as caught:
        settings.load(overrides=overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_are_upstreams_example_with_two_branches() -> None:
    loaded = settings.load()
    assert (loaded.name, loaded.data.source, loaded.data.eval_fraction) == ("mnist", "auto", 0.2)
    training = loaded.training
    assert (training.preset, training.steps, training.batch_size) == ("auto", 5000, 40)
    assert (training.learning_rate, training.decay_rate) == (0.0015, 1.0)
    assert training.early_stopping_patience == 0
    assert loaded.evaluation.min_accuracy == 0.8
    assert [(b.name, b.kind, b.quantization) for b in loaded.branches] == [
        ("keras", "keras", "none"),
        ("lite", "lite", "none"),
    ]
    assert [b.run_fn_path for b in loaded.branches] == [
        "modules.keras.run_fn",
        "modules.lite.run_fn",
    ]
    assert loaded.preprocessing_fn == ""


def test_file_changes_only_what_it_names(tmp_path: Path) -> None:
    loaded = load_text(tmp_path, "name: mine\ntraining: {steps: 7, preset: cnn}\n")
    expected = settings.Settings(name="mine", training=settings.Training(steps=7, preset="cnn"))
    assert loaded == expected


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_empty_file_means_defaults(tmp_path: Path, text: str) -> None:
    assert load_text(tmp_path, text) == settings.Settings()


def test_file_may_hold_korean(tmp_path: Path) -> None:
    assert load_text(tmp_path, "data: {source: /자료/숫자}").data.source == "/자료/숫자"


def test_overrides_apply_in_order_over_the_file_and_source_last(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("data: {source: mnist}\ntraining: {steps: 1, seed: 9}\n")
    loaded = settings.load(
        file,
        ["training.steps=2", "data.source=digits", "training.steps=3"],
        flags={"data.source": "/images"},
    )
    assert (loaded.training.steps, loaded.training.seed) == (3, 9)
    assert loaded.data.source == "/images"


def test_source_is_taken_as_it_is_written() -> None:
    assert settings.load(flags={"data.source": "2024"}).data.source == "2024"


@pytest.mark.parametrize(
    ("override", "read", "expected"),
    [
        ("training.steps=300", lambda s: s.training.steps, 300),
        ("training.learning_rate=1e-3", lambda s: s.training.learning_rate, 0.001),
        ("data.source=a=b", lambda s: s.data.source, "a=b"),
        ("branches=[keras]", lambda s: [b.name for b in s.branches], ["keras"]),
        ("training={steps: 4}", lambda s: s.training.steps, 4),
        ("training={steps: 4}", lambda s: s.training.batch_size, 40),
        ("training.seed=0", lambda s: s.training.seed, 0),
        ("training.seed=4294967295", lambda s: s.training.seed, 2**32 - 1),
        ("evaluation.min_accuracy=0", lambda s: s.evaluation.min_accuracy, 0),
        ("evaluation.min_accuracy=1", lambda s: s.evaluation.min_accuracy, 1),
        ("training.decay_rate=1", lambda s: s.training.decay_rate, 1),
        ("name=a", lambda s: s.name, "a"),
    ],
)
def test_override(override, read, expected) -> None:
    assert read(settings.load(overrides=[override])) == expected


@pytest.mark.parametrize("name", settings.PRESET_BRANCHES)
def test_every_preset_branch_by_name(name: str) -> None:
    branches = ["keras"] if name == "keras" else ["keras", name]
    loaded = settings.validate({"branches": branches})
    assert loaded.branches[-1] == settings.PRESET_BRANCHES[name]
    assert loaded.branches[-1].name == name


@pytest.mark.parametrize(
    ("name", "quantization"),
    [("lite-dynamic", "dynamic"), ("lite-float16", "float16"), ("lite-int8", "int8")],
)
def test_preset_branches_quantize_as_they_are_called(name: str, quantization: str) -> None:
    branch = settings.PRESET_BRANCHES[name]
    assert (branch.kind, branch.quantization) == ("lite", quantization)


def test_mapping_refines_the_preset_of_its_name() -> None:
    branches = ["keras", {"name": "lite-int8", "max_bytes": 60_000}]
    refined = settings.validate({"branches": branches}).branches[1]
    assert (refined.kind, refined.quantization, refined.max_bytes) == ("lite", "int8", 60_000)


def test_own_branch_names_its_own_run_fn() -> None:
    own = {"name": "tiny", "kind": "lite", "run_fn": "my.model.run_fn", "max_latency_us": 90}
    branch = settings.validate({"branches": ["keras", own]}).branches[1]
    assert (branch.run_fn_path, branch.max_latency_us) == ("my.model.run_fn", 90)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.load().name = "other"


@pytest.mark.parametrize(
    ("override", "setting"),
    [
        # out of range
        ("training.steps=0", "training.steps"),
        ("training.eval_steps=0", "training.eval_steps"),
        ("training.batch_size=-3", "training.batch_size"),
        ("training.learning_rate=0", "training.learning_rate"),
        ("training.learning_rate=-0.1", "training.learning_rate"),
        ("training.decay_rate=0", "training.decay_rate"),
        ("training.decay_rate=1.01", "training.decay_rate"),
        ("training.early_stopping_patience=-1", "training.early_stopping_patience"),
        ("training.check_every=0", "training.check_every"),
        ("training.seed=-1", "training.seed"),
        ("training.seed=4294967296", "training.seed"),
        ("data.eval_fraction=0", "data.eval_fraction"),
        ("data.eval_fraction=1", "data.eval_fraction"),
        ("evaluation.min_accuracy=-0.1", "evaluation.min_accuracy"),
        ("evaluation.min_accuracy=1.1", "evaluation.min_accuracy"),
        ("beam.workers=-1", "beam.workers"),
        ("beam.workers=65", "beam.workers"),
        ("branches=[keras, {name: lite, max_bytes: 0}]", "branches.1.max_bytes"),
        ("branches=[keras, {name: lite, max_latency_us: 0}]", "branches.1.max_latency_us"),
        # beyond what TensorFlow, TFX or a port can hold
        ("training.steps=2147483648", "training.steps"),
        ("training.eval_steps=2147483648", "training.eval_steps"),
        ("training.batch_size=1e23", "training.batch_size"),
        ("training.batch_size=1.0e+23", "training.batch_size"),
        ("training.batch_size=2147483648", "training.batch_size"),
        ("training.check_every=2147483648", "training.check_every"),
        ("training.early_stopping_patience=2147483648", "training.early_stopping_patience"),
        ("training.learning_rate=1e39", "training.learning_rate"),
        ("training.learning_rate=1e-60", "training.learning_rate"),
        ("training.decay_rate=1e-60", "training.decay_rate"),
        (f"branches=[keras, {{name: lite, max_bytes: {2**63}}}]", "branches.1.max_bytes"),
        ("cluster.retry_seconds=1e300", "cluster.retry_seconds"),
        ("beam={runner: portable, job_endpoint: 'host:99999'}", "beam.job_endpoint"),
        ("beam={runner: portable, job_endpoint: 'host:0'}", "beam.job_endpoint"),
        # not a number, or not finite
        ("training.learning_rate=.nan", "training.learning_rate"),
        ("training.learning_rate=nan", "training.learning_rate"),
        ("training.learning_rate=.inf", "training.learning_rate"),
        ("evaluation.min_accuracy=.nan", "evaluation.min_accuracy"),
        ("data.eval_fraction=.nan", "data.eval_fraction"),
        ("branches=[keras, {name: lite, max_latency_us: .inf}]", "branches.1.max_latency_us"),
        # another type
        ("training.steps=many", "training.steps"),
        ("training.steps=1.5", "training.steps"),
        ("training.steps=", "training.steps"),
        ("training.steps=[1]", "training.steps"),
        ("training.learning_rate=fast", "training.learning_rate"),
        ("data.source=5", "data.source"),
        ("data.source=''", "data.source"),
        ("data.source=", "data.source"),
        ("name=5", "name"),
        ("training=5", "training"),
        ("data=digits", "data"),
        ("branches=keras", "branches"),
        ("branches=", "branches"),
        ("branches=[keras, 5]", "branches.1"),
        # another choice
        ("training.preset=rnn", "training.preset"),
        ("branches=[keras, {name: x, kind: onnx}]", "branches.1.kind"),
        ("branches=[keras, {name: x}]", "branches.1.kind"),
        ("branches=[keras, {kind: lite}]", "branches.1.name"),
        ("branches=[keras, {name: lite, quantization: int4}]", "branches.1.quantization"),
        # bad names and dotted paths
        ("name=My_Name", "name"),
        ("name=-a", "name"),
        ("name=a-", "name"),
        ("name=''", "name"),
        ("name=" + "a" * 58, "name"),
        ('name="mnist\\n"', "name"),
        ("branches=[keras, {name: a.b, kind: lite}]", "branches.1.name"),
        ("branches=[keras, {name: a_b, kind: lite}]", "branches.1.name"),
        ("branches=[keras, {name: x, kind: lite, run_fn: run_fn}]", "branches.1.run_fn"),
        ("branches=[keras, {name: x, kind: lite, run_fn: a..b}]", "branches.1.run_fn"),
        ("preprocessing_fn=preprocess", "preprocessing_fn"),
        ("preprocessing_fn=a.b c", "preprocessing_fn"),
        ("preprocessing_fn=a.1b", "preprocessing_fn"),
    ],
)
def test_wrong_value_names_the_setting(override: str, setting: str) -> None:
    assert sentence(override).startswith(f"{setting}: ")


@pytest.mark.parametrize("value", ["0", "many", "1.5", "[1]"])
def test_wrong_value_is_repeated(value: str) -> None:
    assert value in sentence(f"training.steps={value}")


@pytest.mark.parametrize(
    ("override", "setting", "meant"),
    [
        ("training.stpes=3", "training.stpes", "training.steps"),
        ("evaluation.min_acuracy=1", "evaluation.min_acuracy", "evaluation.min_accuracy"),
        ("branch=[keras]", "branch", "branches"),
        ("preproccessing_fn=a.b", "preproccessing_fn", "preprocessing_fn"),
    ],
)
def test_unknown_setting_suggests_the_closest(override: str, setting: str, meant: str) -> None:
    message = sentence(override)
    assert message.startswith(f"unknown setting {setting!r}: did you mean {meant!r}?")
    assert "tfx-mobile run --help" in message


@pytest.mark.parametrize("setting", ["zzz", "zzz.qqq", "branches.1.foo"])
def test_unknown_setting_without_a_likely_meaning(setting: str) -> None:
    message = (
        sentence("branches=[keras, {name: x, kind: lite, foo: 1}]")
        if setting.startswith("branches")
        else sentence(f"{setting}=1")
    )
    assert message.startswith("unknown setting")
    assert setting.split(".")[0] in message


def test_unknown_preset_lists_those_there_are() -> None:
    message = sentence("branches=[keras, lite-in8]")
    assert message.startswith("branches.1: ")
    assert message.endswith("got 'lite-in8'")
    assert all(name in message for name in settings.PRESET_BRANCHES)


@pytest.mark.parametrize(
    ("branches", "reason"),
    [
        ("[lite]", "must include 'keras'"),
        ("[]", "must include 'keras'"),
        ("[keras, keras]", "different names"),
        ("[keras, lite, {name: lite, quantization: int8}]", "different names"),
    ],
)
def test_branches_must_be_comparable(branches: str, reason: str) -> None:
    message = sentence(f"branches={branches}")
    assert "branches" in message
    assert reason in message


@pytest.mark.parametrize("field", ["max_bytes: 5", "max_latency_us: 5", "quantization: int8"])
def test_fields_for_lite_alone_are_refused_on_keras(field: str) -> None:
    message = sentence(f"branches=[{{name: keras, {field}}}]")
    assert message.startswith("branches.0: ")
    assert field.split(":")[0] in message
    assert "kind: lite" in message


@pytest.mark.parametrize("override", ["training.steps", "=5", "", "training.steps 5"])
def test_override_without_key_or_value(override: str) -> None:
    assert sentence(override) == f"--set takes key=value, got {override!r}"


def test_override_that_is_not_yaml_names_its_key() -> None:
    assert "--set training.steps is not valid YAML" in sentence("training.steps={")


def test_override_below_a_value() -> None:
    assert "training.steps.x" in sentence("training.steps=5", "training.steps.x=1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: b: c", "is not valid YAML"),
        ("training: {steps: 3", "is not valid YAML"),
        (b"name: \xff", "is not UTF-8"),
        ("name: mine".encode("utf-16"), "is not UTF-8"),
        ("name: \x00", "is not valid YAML"),
        ("- name\n- steps", "must hold settings as 'key: value' lines"),
        ("just words", "must hold settings as 'key: value' lines"),
        ("training: {steps: -1}", "training.steps: "),
        ("trainning: {steps: 1}", "did you mean 'training"),
    ],
)
def test_bad_file(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(reason)) as caught:
        load_text(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_bad_yaml_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=re.escape(str(tmp_path / "settings.yaml"))):
        load_text(tmp_path, "a: b: c")


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    for file in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(SettingsError, match=re.escape(f"cannot read the settings file {file}")):
            settings.load(file)


def leaves(model: type[settings.BaseModel], prefix: str = "") -> set[str]:
    """Names of all settings that hold a value."""
    names = set()
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, settings.BaseModel):
            names |= leaves(field.annotation, f"{prefix}{name}.")
        else:
            names.add(prefix + name)
    return names


def test_describe_covers_every_setting_with_a_text() -> None:
    rows = settings.describe()
    names = [name for name, _, _ in rows]
    assert len(names) == len(set(names))
    of_a_branch = {f"branches.*.{key}" for key in settings.Branch.model_fields}
    assert set(names) == leaves(settings.Settings) | of_a_branch
    assert all(text for _, _, text in rows)


@pytest.mark.parametrize(
    ("text", "cpu", "memory"),
    [
        ("{cpu: 2, memory: 4000000000}", "2", "4000000000"),
        ("{cpu: 0.50, memory: 1Gi}", "0.5", "1Gi"),
    ],
)
def test_quantities_may_be_numbers(tmp_path: Path, text: str, cpu: str, memory: str) -> None:
    loaded = load_text(tmp_path, f"kubeflow: {text}").kubeflow
    assert (loaded.cpu, loaded.memory) == (cpu, memory)


@pytest.mark.parametrize(
    "override",
    ["kubeflow.cpu=2Gi", "kubeflow.cpu=on", f"kubeflow.cpu={'9' * 400}", "kubeflow.memory=500m"],
)
def test_other_quantities_are_refused(override: str) -> None:
    with pytest.raises(SettingsError, match=override.partition("=")[0]):
        settings.load(overrides=[override])


def test_described_defaults_are_the_defaults() -> None:
    rows = [(name, default) for name, default, _ in settings.describe() if "*" not in name]
    overrides = [f"{name}={default}" for name, default in rows]
    assert settings.load(overrides=overrides) == settings.Settings()


names = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z")
lite_branches = st.builds(
    settings.Branch,
    name=names.filter(lambda name: name != "keras"),
    kind=st.just("lite"),
    quantization=st.sampled_from(["none", "dynamic", "float16", "int8"]),
    run_fn=st.sampled_from(["", "a.b", "my.model.run_fn"]),
    max_bytes=st.none() | st.integers(1, 2**62),
    max_latency_us=st.none() | st.floats(1e-3, 1e9),
)


@limits(max_examples=30)
@given(
    st.builds(
        settings.Settings,
        name=names,
        training=st.builds(
            settings.Training,
            preset=st.sampled_from(["auto", "mlp", "cnn"]),
            steps=st.integers(1, 10**6),
            learning_rate=st.floats(1.2e-38, 3.4e38),
            seed=st.integers(0, 2**32 - 1),
        ),
        branches=st.lists(lite_branches, max_size=4, unique_by=lambda b: b.name).map(
            lambda lite: (settings.PRESET_BRANCHES["keras"], *lite)
        ),
    )
)
def test_settings_reach_another_process_unchanged(original: settings.Settings) -> None:
    sent = json.loads(json.dumps(original.model_dump(mode="json")))
    assert settings.validate(sent) == original


@given(st.text(max_size=30).filter(lambda key: key not in settings.Settings.model_fields))
def test_any_other_key_is_one_sentence(key: str) -> None:
    with pytest.raises(SettingsError, match=r"\Aunknown setting [^\n]+\Z"):
        settings.validate({key: 1})
