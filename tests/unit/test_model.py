"""The presets at several shapes, and a task's own model."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tf_keras as keras

from modules import mnist, model, presets
from modules.contract import ContractError
from modules.task import Classification, Feature, Picture, Regression, Task
from pipelines.settings import Training

CLASSES = Classification(("a", "b", "c"))
TABLE = Task("table", (Feature("size"), Feature("rates", (2, 3)), Feature("year")), "y", CLASSES)
NUMBER = Task("number", (Feature("size"),), "y", Regression())
SMALL = ("mlp", "cnn")


def picture(height: int, width: int, channels: Any = 3, head: Any = CLASSES) -> Task:
    shape = (height, width, channels)
    return Task("photos", (Feature("photo", shape, picture=Picture(*shape)),), "kind", head)


PHOTO = picture(4, 6).features[0]
MIXED = Task("mixed", (PHOTO, Feature("size")), "kind", CLASSES)
TWO = Task("two", (PHOTO, dataclasses.replace(PHOTO, name="back")), "kind", CLASSES)


def predict(built: keras.Model, task: Task, count: int = 3, **how: Any) -> Any:
    rng = np.random.default_rng(0)
    inputs = {
        f"{feature.name}_xf": rng.uniform(-0.5, 0.5, (count, feature.size)).astype(np.float32)
        for feature in task.features
    }
    return built(inputs, **how).numpy()


@pytest.mark.parametrize(("preset", "parameters"), [("mlp", 55_050), ("cnn", 20_490)])
def test_presets_for_mnist(preset: str, parameters: int) -> None:
    built = model.build(mnist.TASK, preset, {})
    assert built.count_params() == parameters
    assert built.input_shape == (None, 784)
    assert built.input_names == ["image_floats_xf"]
    logits = predict(built, mnist.TASK)
    assert (logits.shape, logits.dtype) == ((3, 10), np.float32)


@pytest.mark.parametrize("preset", SMALL)
def test_output_is_logits_not_probabilities(preset: str) -> None:
    keras.utils.set_random_seed(0)
    logits = predict(model.build(mnist.TASK, preset, {}), mnist.TASK)
    assert (logits < 0).any()
    assert not np.allclose(logits.sum(axis=1), 1)


def test_mlp_is_upstreams_example() -> None:
    layers = model.mlp(mnist.TASK).layers[1:]
    names = [type(layer).__name__ for layer in layers]
    assert names == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.units for layer in layers[::2]] == [64, 64, 10]
    assert [layer.rate for layer in layers[1::2]] == [0.2, 0.2]


@pytest.mark.parametrize("preset", SMALL)
def test_dropout_is_off_in_serving(preset: str) -> None:
    built = model.build(mnist.TASK, preset, {})
    outputs = predict(built, mnist.TASK)
    assert (outputs == predict(built, mnist.TASK, training=False)).all()
    assert not (outputs == predict(built, mnist.TASK, training=True)).all()


@pytest.mark.parametrize(("task", "count"), [(TABLE, 3), (NUMBER, 1), (picture(24, 20), 3)])
def test_mlp_takes_any_features(task: Task, count: int) -> None:
    built = model.build(task, "mlp", {})
    assert predict(built, task).shape == (3, count)
    assert built.input_names == [f"{feature.name}_xf" for feature in task.features]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 13, 40])
def test_inputs_are_joined_in_order_by_five_at_most(count: int) -> None:
    inputs = [keras.Input((1 + i % 2,)) for i in range(count)]
    joined = keras.Model(inputs, model.join(inputs))
    values = [np.full((2, 1 + i % 2), i, np.float32) for i in range(count)]
    found = joined(values if count > 1 else values[0]).numpy()
    np.testing.assert_array_equal(found, np.hstack(values))
    layers = [layer for layer in joined.layers if isinstance(layer, keras.layers.Concatenate)]
    assert all(2 <= len(layer.input) <= 5 for layer in layers)
    assert len(layers) == {1: 0, 2: 1, 5: 1, 6: 2, 13: 4, 40: 11}[count]


@pytest.mark.parametrize(
    ("task", "kernels", "parameters"),
    [
        (picture(28, 28, 1), 2, 9_507),
        (picture(24, 20), 2, 7_971),
        (picture(48, 48), 3, 30_499),
        (picture(96, 96), 4, 67_427),
        (picture(224, 224), 5, 106_851),
        (picture(28, 200), 5, 105_507),  # flattened to 7x6
        (picture(4, 4), 1, 1_219),
        (picture(1, 9), 1, 643),
    ],
)
def test_cnn_has_a_stage_for_each_halving(task: Task, kernels: int, parameters: int) -> None:
    built = model.build(task, "cnn", {})
    found = [layer for layer in built.layers if isinstance(layer, keras.layers.Conv2D)]
    assert (len(found), built.count_params()) == (kernels, parameters)
    assert predict(built, task).shape == (3, 3)


@pytest.mark.parametrize("preset", presets.FOR_PICTURES)
@pytest.mark.parametrize(
    ("task", "found"),
    [(TABLE, "no picture"), (NUMBER, "no picture"), (MIXED, "2 features"), (TWO, "2 features")],
)
def test_one_picture_is_needed(preset: str, task: Task, found: str) -> None:
    sentence = (
        f"the preset {preset} takes one picture and nothing else, and the task {task.name!r} has "
        f"{found}: take the preset mlp, or a model of your own"
    )
    with pytest.raises(ContractError, match=f"^{sentence}$"):
        model.build(task, preset, {})
    assert presets.find_misfit(task, preset) == sentence
    assert not presets.find_misfit(task, "mlp")
    assert not presets.find_misfit(picture(4, 4), preset)


@pytest.mark.parametrize("task", [picture(24, 20, 1), picture(40, 100, 3, Regression())])
def test_mobilenet_enlarges_small_pictures(task: Task) -> None:
    built = model.build(task, "mobilenet", {"alpha": 0.75})
    assert predict(built, task, count=2).shape == (2, task.head.outputs)
    network = next(layer for layer in built.layers if isinstance(layer, keras.Model))
    assert network.input_shape == (
        None,
        *{24: (120, 100), 40: (120, 300)}[task.features[0].shape[0]],
        3,
    )


def test_mobilenet_takes_weights_with_and_without_the_classes_of_imagenet(tmp_path: Path) -> None:
    size = {"input_shape": (96, 96, 3), "alpha": 0.75, "weights": None}
    task = picture(96, 96)
    for top in (False, True):
        trained = keras.applications.MobileNetV3Small(include_top=top, **size)
        file = tmp_path / f"{top}.h5"
        trained.save_weights(str(file))
        built = model.build(task, "mobilenet", {"alpha": 0.75, "weights": str(file)})
        network = next(layer for layer in built.layers if isinstance(layer, keras.Model))
        found = network.get_weights()
        assert len(found) == len(trained.weights) - (4 if top else 0)
        for ours, theirs in zip(found, trained.get_weights(), strict=False):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ContractError, match=r"holds no weights of MobileNetV3-Small for alpha=1 "):
        model.build(task, "mobilenet", {"alpha": 1.0, "weights": str(tmp_path / "True.h5")})
    with pytest.raises(ContractError, match="there is no such file"):
        model.build(task, "mobilenet", {"weights": str(tmp_path / "none.h5")})


def test_settings_offer_every_preset() -> None:
    assert set(model.PRESETS) == {"mlp", *presets.FOR_PICTURES}
    for preset in model.PRESETS:
        assert Training(preset=preset).preset == preset  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="preset"):
        Training(preset="other")  # type: ignore[arg-type]


def own(task: Task) -> keras.Model:
    """What a user's `my_task.model` may be: one layer for a task with one feature."""
    (feature,) = task.features
    inputs = keras.layers.InputLayer(input_shape=(feature.size,), name=f"{feature.name}_xf")
    return keras.Sequential([inputs, keras.layers.Dense(task.head.outputs)])


def misnamed(task: Task) -> keras.Model:
    return keras.Sequential([keras.Input((1,), name="pixels"), keras.layers.Dense(1)])


def too_wide(task: Task) -> keras.Model:
    return keras.Sequential([keras.Input((1,), name="size_xf"), keras.layers.Dense(2)])


def test_a_task_brings_its_own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    with_model = dataclasses.replace(NUMBER, model=f"{__name__}.own")
    built = model.build(with_model, "cnn", {})
    assert (built.count_params(), predict(built, with_model).shape) == (2, (3, 1))


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("misnamed", r"inputs pixels, and the task 'number' has size_xf: give it one keras.Input"),
        ("too_wide", r"returns \(None, 2\), and the regression .* takes \(None, 1\)"),
        ("nothing", "there is no function 'nothing'"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(function: str, sentence: str) -> None:
    task = dataclasses.replace(NUMBER, model=f"{__name__}.{function}")
    with pytest.raises(ContractError, match=sentence):
        model.build(task, "mlp", {})
