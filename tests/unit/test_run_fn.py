"""Both `run_fn`s on tiny data: a transform that TensorFlow Transform made, files that TFX reads."""

import functools
import gc
import logging
import tempfile
import weakref
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tfx.components.trainer.fn_args_utils import FnArgs

from modules import keras, lite, training
from modules.contract import ContractError
from modules.examples import Examples, Split
from modules.task import Classification
from pipelines.local import nodes
from tests.unit import transforms
from tests.unit.transforms import Data, Trainer


@pytest.fixture(scope="module")
def shared_trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    """MNIST's task, 40 examples to learn and 10 to validate."""
    return transforms.trainer(tmp_path_factory.mktemp("digits"), transforms.digits())


@pytest.fixture
def trainer(tmp_path: Path, shared_trainer: Trainer) -> Trainer:
    return shared_trainer.at(tmp_path)


@pytest.fixture(scope="module")
def reference(shared_trainer: Trainer) -> training.Trained:
    """Eleven steps with a check after ten: a full part and a rest."""
    return training.train(shared_trainer.args("reference", steps=11, check_every=10))


def same(first: training.Trained, second: training.Trained) -> bool:
    pairs = zip(first.model.get_weights(), second.model.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def validation_losses(args: FnArgs) -> list[tuple[int, float]]:
    """The points that TensorBoard shows."""
    return [
        (event.step, float(tf.make_ndarray(value.tensor)))
        for file in Path(args.model_run_dir, "logs", "validation").glob("events*")
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
        if value.tag == "epoch_loss"
    ]


def test_same_seed_gives_the_same_weights_bit_by_bit(
    trainer: Trainer, reference: training.Trained
) -> None:
    assert reference.model.optimizer.iterations.numpy() == 11
    assert same(training.train(trainer.args(steps=11, check_every=10)), reference)


def test_convolutions_are_as_deterministic(trainer: Trainer) -> None:
    first, second = (training.train(trainer.args(name, steps=5, preset="cnn")) for name in "ab")
    assert same(first, second)


def test_a_finished_trainer_keeps_no_examples(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow's cycles hold them until they are collected, which may be at the very end."""
    loaded = []

    def read(split: Split, count: int) -> Examples:
        examples = real_read(split, count)
        loaded.append(weakref.ref(examples.labels))
        return examples

    real_read = Split.read
    monkeypatch.setattr(Split, "read", read)
    logger = logging.Logger("runner")
    logger.addHandler(nodes.ComponentHandler(nodes.Reporter(lambda event: None)))
    gc.disable()
    try:
        keras.run_fn(trainer.args(steps=1))
        assert [labels() is None for labels in loaded] != [True, True]
        logger.info("Component %s is finished.", "trainer-keras")
        assert [labels() is None for labels in loaded] == [True, True]
    finally:
        gc.enable()


def test_checks_do_not_change_what_is_learnt(trainer: Trainer, reference: training.Trained) -> None:
    assert same(training.train(trainer.args(steps=11, check_every=11)), reference)


def test_other_seed_gives_other_weights(trainer: Trainer, reference: training.Trained) -> None:
    assert not same(training.train(trainer.args(steps=11, seed=2)), reference)


def test_training_learns_and_logs_every_check(trainer: Trainer) -> None:
    args = trainer.args(steps=150, check_every=50, learning_rate=0.002)
    trained = training.train(args)
    assert trained.model.optimizer.iterations.numpy() == 150
    logits = trained.model(dict(trained.calibration.features)).numpy()
    assert (logits.argmax(axis=1) == trained.calibration.labels.numpy()).mean() > 0.9
    assert trained.model.optimizer.learning_rate.numpy() == pytest.approx(0.002)
    assert [step for step, _ in validation_losses(args)] == [0, 1, 2]


def test_learning_rate_decays_to_the_part_asked_for() -> None:
    settings = training.Settings(learning_rate=0.01, decay_rate=0.1)
    schedule = training._learning_rate(settings, steps=50)
    found = [float(schedule(step)) for step in (0, 25, 50)]
    assert found == pytest.approx([0.01, 0.01 * 0.1**0.5, 0.001])


def test_early_stopping_keeps_the_best_weights(trainer: Trainer) -> None:
    # A rate this high makes the loss grow soon.
    how = {"learning_rate": 5.0, "check_every": 5}
    args = trainer.args("a", steps=100, early_stopping_patience=2, **how)
    stopped = training.train(args)
    losses = [loss for _, loss in validation_losses(args)]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 20
    assert same(stopped, training.train(trainer.args("b", steps=5 * (best + 1), **how)))


CASES = {
    "digits": (transforms.digits, {"preset": "mlp"}, 1e-4),
    "colours": (transforms.colours, {"preset": "cnn"}, 1e-4),
    "table": (transforms.table, {}, 1e-4),
    # In euro, around 3000.
    "numbers": (functools.partial(transforms.table, regression=True), {}, 1e-2),
}
SIZES = {"dynamic": 0.5, "float16": 0.65, "int8": 0.5}


class Case:
    """The exports of one task, each made when a test wants it."""

    def __init__(self, directory: Path, name: str) -> None:
        make, self.how, self.tolerance = CASES[name]
        self.data: Data = make()
        self.trainer = transforms.trainer(directory, self.data)
        self._lite_files: dict[str, Path] = {}

    @functools.cached_property
    def keras_dir(self) -> str:
        args = self.trainer.args("keras", **self.how)
        keras.run_fn(args)
        return str(args.serving_model_dir)

    @functools.cached_property
    def keras_outputs(self) -> NDArray[np.float32]:
        signature = tf.saved_model.load(self.keras_dir).signatures["serving_default"]
        outputs = signature(examples=tf.constant(transforms.serialize(self.data.features)))
        values: NDArray[np.float32] = next(iter(outputs.values())).numpy()
        return values

    def lite_file(self, quantization: str) -> Path:
        if quantization not in self._lite_files:
            args = self.trainer.args(f"lite-{quantization}", quantization=quantization, **self.how)
            lite.run_fn(args)
            self._lite_files[quantization] = Path(args.serving_model_dir) / "tflite"
        return self._lite_files[quantization]

    def lite_outputs(self, quantization: str) -> NDArray[np.float32]:
        interpreter = tf.lite.Interpreter(model_path=str(self.lite_file(quantization)))
        raw = {
            feature.name: self.data.features[feature.name].reshape(-1, *feature.shape)
            for feature in self.data.task.features
        }
        outputs = interpreter.get_signature_runner("serving_default")(**raw)
        values: NDArray[np.float32] = next(iter(outputs.values()))
        return values


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp(request.param), request.param)


def test_keras_branch_serves_serialized_examples_without_labels(case: Case) -> None:
    loaded = tf.saved_model.load(case.keras_dir)
    _, arguments = loaded.signatures["serving_default"].structured_input_signature
    assert {n: (s.dtype, s.shape.as_list()) for n, s in arguments.items()} == {
        "examples": (tf.string, [None])
    }
    outputs = case.keras_outputs
    assert outputs.shape == (len(case.data), case.data.task.head.outputs)
    assert outputs.dtype == np.float32


def test_lite_branch_leaves_one_file(case: Case) -> None:
    file = case.lite_file("none")
    assert [f.name for f in file.parent.rglob("*")] == ["tflite"]
    assert file.read_bytes()[4:8] == b"TFL3"


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_lite_branch_takes_a_raw_tensor_per_feature(case: Case, quantization: str) -> None:
    interpreter = tf.lite.Interpreter(model_path=str(case.lite_file(quantization)))
    found = {
        detail["name"]: (detail["dtype"].__name__, tuple(detail["shape_signature"]))
        for detail in interpreter.get_input_details()
    }
    assert found == {
        f"serving_default_{feature.name}:0": (feature.dtype, (-1, *feature.shape))
        for feature in case.data.task.features
    }
    assert interpreter.get_output_details()[0]["dtype"] == np.float32
    names = sorted(feature.name for feature in case.data.task.features)
    assert sorted(interpreter.get_signature_list()["serving_default"]["inputs"]) == names


def test_float32_branches_agree_on_every_output(case: Case) -> None:
    np.testing.assert_allclose(
        case.lite_outputs("none"), case.keras_outputs, atol=case.tolerance, rtol=0
    )


@pytest.mark.parametrize("quantization", SIZES)
def test_quantized_branches_are_smaller_and_close(case: Case, quantization: str) -> None:
    size = case.lite_file(quantization).stat().st_size
    # The table's models are small, and so is what their weights take of the file.
    if case.data.task.pictures:
        assert size < SIZES[quantization] * case.lite_file("none").stat().st_size
    expected, found = case.keras_outputs, case.lite_outputs(quantization)
    error = np.abs(found - expected).mean() / expected.std()
    assert error < {"dynamic": 0.02, "float16": 0.02, "int8": 0.15}[quantization]
    if isinstance(case.data.task.head, Classification):
        assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.93


def test_int8_branch_computes_in_int8(case: Case) -> None:
    interpreter = tf.lite.Interpreter(model_path=str(case.lite_file("int8")))
    interpreter.allocate_tensors()
    kinds = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert kinds.count(np.int8) > kinds.count(np.float32)


def test_regression_starts_at_the_scale_of_the_labels(tmp_path: Path) -> None:
    """Labels around 3000 euro that vary by 218: without a scale, one step predicts about 0."""
    data = transforms.table(regression=True)
    trainer = transforms.trainer(tmp_path, data)
    first, last = (
        training.train(trainer.args(str(steps), steps=steps, learning_rate=0.005))
        for steps in (1, 300)
    )
    raw = dict(data.features)
    errors = [
        np.abs(trained.predict(raw).numpy()[:, 0] - data.labels).mean() for trained in (first, last)
    ]
    assert errors[0] < 2 * data.labels.std()
    assert errors[1] < 0.15 * data.labels.std()
    # In units of the labels' variance, as the weights' updates are.
    losses = validation_losses(trainer.args("300"))
    assert losses[-1][1] < 0.1


def test_model_with_an_input_that_is_no_feature_is_an_error(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(trained: training.Trained, saved_model_dir: str) -> None:
        @tf.function(
            input_signature=[tf.TensorSpec([None, 784], tf.float32, name="pixels")],
            autograph=False,
        )
        def serve(pixels: tf.Tensor) -> tf.Tensor:
            return trained.model(pixels)

        saved.append(saved_model_dir)
        trained.save(saved_model_dir, serve)

    saved: list[str] = []
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(lite, "save", save)
    with pytest.raises(ContractError, match=r"input 'pixels' matches no .*\(image_floats\)"):
        lite.run_fn(trainer.args(steps=1))
    assert saved[0].startswith(str(scratch))
    # AutoGraph keeps files of its own there until the process ends, and Python their bytecode.
    assert [e for e in scratch.iterdir() if e.is_dir() and e.name != "__pycache__"] == []
