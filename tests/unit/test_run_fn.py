"""Both `run_fn`s on tiny data, with a transform that TensorFlow Transform really made."""

import dataclasses
import functools
import gc
import logging
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from numpy.typing import NDArray
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs

from modules import features, keras, lite, preprocessing, training
from modules.contract import ContractError
from pipelines.data.examples import Examples
from pipelines.local import nodes
from tests.unit import transforms

IMAGE_XF, LABEL_XF = features.transformed(features.IMAGE), features.transformed(features.LABEL)


@pytest.fixture(scope="module")
def transform_dir(tmp_path_factory: pytest.TempPathFactory, few: Examples) -> str:
    """What the Transform component leaves for the Trainer."""
    directory = tmp_path_factory.mktemp("transform")
    return transforms.write(directory, few, preprocessing.preprocessing_fn)


@dataclasses.dataclass
class Trainer:
    """What the TFX Trainer does around a `run_fn`."""

    directory: Path
    transform_dir: str
    examples: Examples

    def args(self, name: str = "a", steps: int = 30, quantization: str = "none", **how: Any) -> Any:
        accessor = DataAccessor(
            tf_dataset_factory=self._dataset,
            record_batch_factory=None,
            data_view_decode_fn=None,
        )
        return FnArgs(
            train_files=["train"],
            eval_files=["eval"],
            train_steps=steps,
            eval_steps=2,
            data_accessor=accessor,
            transform_graph_path=self.transform_dir,
            serving_model_dir=str(self.directory / name / "Format-Serving"),
            model_run_dir=str(self.directory / name / "run"),
            custom_config={
                "training": {"batch_size": 10, "check_every": 10, **how},
                "quantization": quantization,
            },
        )

    def _dataset(self, files: list[str], options: Any, schema: Any) -> tf.data.Dataset:
        part = slice(0, 40) if files == ["train"] else slice(40, 50)
        transformed = {
            IMAGE_XF: self.examples.images[part],
            LABEL_XF: self.examples.labels[part, np.newaxis],
        }
        dataset = tf.data.Dataset.from_tensor_slices(transformed).batch(options.batch_size)
        return dataset.map(lambda row: (row, row.pop(options.label_key)))


@pytest.fixture
def trainer(tmp_path: Path, transform_dir: str, few: Examples) -> Trainer:
    return Trainer(tmp_path, transform_dir, few)


@pytest.fixture(scope="module")
def shared_trainer(
    tmp_path_factory: pytest.TempPathFactory, transform_dir: str, few: Examples
) -> Trainer:
    return Trainer(tmp_path_factory.mktemp("models"), transform_dir, few)


@pytest.fixture(scope="module")
def keras_dir(shared_trainer: Trainer) -> str:
    args = shared_trainer.args("keras")
    keras.run_fn(args)
    return str(args.serving_model_dir)


@pytest.fixture(scope="module")
def reference(shared_trainer: Trainer) -> training.Trained:
    """Eleven steps with a check after ten: a full part and a rest."""
    return training.train(shared_trainer.args("reference", steps=11, check_every=10))


@pytest.fixture(scope="module")
def lite_file(shared_trainer: Trainer) -> Callable[[str], Path]:
    """The TFLite model of one kind of quantization."""

    @functools.cache
    def make(quantization: str) -> Path:
        args = shared_trainer.args(f"lite-{quantization}", quantization=quantization)
        lite.run_fn(args)
        return Path(args.serving_model_dir) / "tflite"

    return make


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

    def load(*arguments: Any) -> training.Examples:
        examples = real_load(*arguments)
        loaded.append(weakref.ref(examples.images))
        return examples

    real_load = training.load
    monkeypatch.setattr(training, "load", load)
    logger = logging.Logger("runner")
    logger.addHandler(nodes.ComponentHandler(nodes.Reporter(lambda event: None)))
    gc.disable()
    try:
        keras.run_fn(trainer.args(steps=1))
        assert [images() is None for images in loaded] != [True, True]
        logger.info("Component %s is finished.", "trainer-keras")
        assert [images() is None for images in loaded] == [True, True]
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
    logits = trained.model(trained.train_examples.images).numpy()
    assert (logits.argmax(axis=1) == trained.train_examples.labels.numpy()).mean() > 0.9
    assert trained.model.optimizer.learning_rate.numpy() == pytest.approx(0.002)
    assert [step for step, _ in validation_losses(args)] == [0, 1, 2]


def test_checks_do_not_change_the_order_of_examples() -> None:
    # 40 examples in batches of 10: after 3 steps one is within a pass over the data.
    examples, settings = (
        training.Examples(tf.range(40), tf.range(40)),
        training.Settings(batch_size=10),
    )
    whole = [
        batch.numpy().tolist() for batch, _ in training._batches(examples, settings, 0).take(4)
    ]
    assert sorted(index for batch in whole for index in batch) == list(range(40))
    rest = next(iter(training._batches(examples, settings, skip=3)))[0]
    assert rest.numpy().tolist() == whole[3]


def test_every_pass_has_another_order() -> None:
    examples = training.Examples(tf.range(40), tf.range(40))
    batches = training._batches(examples, training.Settings(batch_size=40), skip=0).take(2)
    first, second = (batch.numpy().tolist() for batch, _ in batches)
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second


def test_batches_keep_images_with_their_labels() -> None:
    examples = training.Examples(tf.range(0, 400, 10), tf.range(40))
    for images, labels in training._batches(examples, training.Settings(batch_size=7), 2).take(9):
        assert (images.numpy() == 10 * labels.numpy()).all()


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


def serialized(examples: Examples) -> tf.Tensor:
    rows = []
    for image in examples.images:
        example = tf.train.Example()
        example.features.feature[features.IMAGE].float_list.value.extend(image.tolist())
        rows.append(example.SerializeToString())
    return tf.constant(rows)


def lite_logits(file: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    runner = tf.lite.Interpreter(model_path=str(file)).get_signature_runner("serving_default")
    outputs: dict[str, NDArray[np.float32]] = runner(**{features.IMAGE: images})
    return next(iter(outputs.values()))


def keras_logits(directory: str, examples: Examples) -> NDArray[np.float32]:
    signature = tf.saved_model.load(directory).signatures["serving_default"]
    outputs = signature(examples=serialized(examples))
    logits: NDArray[np.float32] = next(iter(outputs.values())).numpy()
    return logits


def test_keras_branch_serves_serialized_examples_without_labels(
    keras_dir: str, few: Examples
) -> None:
    loaded = tf.saved_model.load(keras_dir)
    _, arguments = loaded.signatures["serving_default"].structured_input_signature
    assert {n: (s.dtype, s.shape.as_list()) for n, s in arguments.items()} == {
        "examples": (tf.string, [None])
    }
    logits = keras_logits(keras_dir, few)
    assert (logits.shape, logits.dtype) == ((50, 10), np.float32)


def test_lite_branch_leaves_one_file(lite_file: Callable[[str], Path]) -> None:
    file = lite_file("none")
    assert [f.name for f in file.parent.rglob("*")] == ["tflite"]
    assert file.read_bytes()[4:8] == b"TFL3"


def test_lite_branch_takes_raw_images(lite_file: Callable[[str], Path]) -> None:
    interpreter = tf.lite.Interpreter(model_path=str(lite_file("none")))
    (argument,) = interpreter.get_input_details()
    assert (argument["dtype"], argument["shape_signature"].tolist()) == (np.float32, [-1, 784])
    signature = interpreter.get_signature_list()["serving_default"]
    assert signature["inputs"] == [features.IMAGE]
    assert lite.input_names(str(lite_file("none"))) == [features.IMAGE]


def test_float32_branches_agree_on_every_logit(
    keras_dir: str, lite_file: Callable[[str], Path], few: Examples
) -> None:
    ours = lite_logits(lite_file("none"), few.images)
    np.testing.assert_allclose(ours, keras_logits(keras_dir, few), atol=1e-4)


@pytest.mark.parametrize(
    ("quantization", "size", "tolerance"),
    [("dynamic", 0.35, 0.3), ("float16", 0.6, 0.05), ("int8", 0.35, 1.0)],
)
def test_quantized_branches_are_smaller_and_close(
    keras_dir: str,
    lite_file: Callable[[str], Path],
    few: Examples,
    quantization: str,
    size: float,
    tolerance: float,
) -> None:
    file = lite_file(quantization)
    assert file.stat().st_size < size * lite_file("none").stat().st_size
    logits = lite_logits(file, few.images)
    np.testing.assert_allclose(logits, keras_logits(keras_dir, few), atol=tolerance)


def test_int8_branch_keeps_float_inputs_and_outputs(lite_file: Callable[[str], Path]) -> None:
    interpreter = tf.lite.Interpreter(model_path=str(lite_file("int8")))
    assert interpreter.get_input_details()[0]["dtype"] == np.float32
    assert interpreter.get_output_details()[0]["dtype"] == np.float32
    interpreter.allocate_tensors()
    kinds = [detail["dtype"] for detail in interpreter.get_tensor_details()]
    assert kinds.count(np.int8) > kinds.count(np.float32)


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
        training.save(trained.model, saved_model_dir, serve)

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


def test_transform_passes_images_of_the_full_range_through(
    transform_dir: str, few: Examples
) -> None:
    layer = tft.TFTransformOutput(transform_dir).transform_features_layer()
    transformed = layer({features.IMAGE: tf.constant(few.images)})
    np.testing.assert_allclose(transformed[IMAGE_XF].numpy(), few.images, atol=1e-5)
