"""The task of a source of images: MNIST, the user's own, or one that follows from the images."""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from modules import mnist
from modules.task import Classification, Feature, Picture, Task
from pipelines import messages, settings
from pipelines.data import classes, headers, naming, pixels
from pipelines.data.headers import Header
from pipelines.errors import DataError

FEATURE, LABEL = "image", "label"
"""Names in the `tf.Example`s of a task that follows from the images."""

_DEFAULT_SIDE = 96
_LARGEST_COMMON_SIDE = 256
"""Models for phones take smaller pictures; a larger common size is that of a camera."""

_FEWEST = 500
_LOOKED_AT = 2**27
"""To answer a question on all images, this many are decoded, and more of them up to this many
pixels: 171,000 images of MNIST's, seconds of work."""


def choose(
    name: str, images: Sequence[Header], choice: settings.Task, wanted: Task | None
) -> tuple[Task, list[str]]:
    """The task that images of all parts are examples of.

    Args:
      name: Of the source, a path.
      images: Of all parts.
      choice: The settings.
      wanted: The task that the user named.

    Returns:
      The task, and notes for the user on what becomes of the images.

    Raises:
      DataError: The images do not fit the named task, or are of fewer than two classes.
    """
    notes = []
    if choice.name in ("auto", "mnist"):
        difference = _differ_from_mnist(images, choice.images)
        if not difference:
            return mnist.TASK, []
        if choice.name == "mnist":
            raise DataError(f"{difference}: set task to images, which takes any images in folders")
        if all(classes.label(image.file) in classes.OF_MNIST for image in images):
            notes.append(f"not mnist, as {difference}")
    if wanted is None:
        task = _follow(name, images, choice.images)
    else:
        task = wanted.data
        _check(task, images, choice.images)
    return task, [*notes, *_describe(task, images, choice.images.fit)]


def picture(task: Task) -> Picture:
    """The one picture that a task of images has as its feature.

    Raises:
      DataError: It has other features.
    """
    found = [feature.picture for feature in task.features if feature.dtype == "float32"]
    if len(task.features) != 1 or not found or found[0] is None:
        names = ", ".join(feature.name for feature in task.features)
        raise DataError(
            f"the task {task.name} has the features {names}, and images in folders give one "
            "float32 feature with a picture: give TFRecords of the task, or choose another task"
        )
    return found[0]


def look_at(images: Iterable[Header]) -> Iterator[Header]:
    """A random sample of the images, the same each time; all of them if they are small or few."""
    shuffled = list(images)
    random.Random(0).shuffle(shuffled)
    pixels_seen = 0
    for count, image in enumerate(shuffled):
        if count >= _FEWEST and pixels_seen >= _LOOKED_AT:
            return
        pixels_seen += image.width * image.height
        yield image


def _differ_from_mnist(images: Iterable[Header], choice: settings.Images) -> str:
    """Why images are not MNIST's; empty if they are."""
    wanted = picture(mnist.TASK)
    size = f"{wanted.width}x{wanted.height}"
    for image in images:
        where = image.file.path
        if (label := classes.label(image.file)) not in classes.OF_MNIST:
            return f"{where} lies in a folder called {label!r}, and those of mnist are 0 to 9"
        if image.size != (wanted.width, wanted.height):
            return f"{where} has {image.width}x{image.height} pixels, not {size}"
    return _differ_from_settings(mnist.TASK, choice)


def _differ_from_settings(task: Task, choice: settings.Images) -> str:
    """Which setting asks for other pictures than the task has; empty for none."""
    wanted = picture(task)
    for name in ("height", "width", "channels"):
        value, own = getattr(choice, name), getattr(wanted, name)
        if value not in (None, own):
            return f"task.images.{name} is {value}, and {task.name} has {own}"
    return ""


def _check(task: Task, images: Iterable[Header], choice: settings.Images) -> None:
    """Refuse images that are of no class of the user's task, or settings against it."""
    if difference := _differ_from_settings(task, choice):
        raise DataError(f"{difference}: leave the setting out")
    names = set(classes.of_task(task))
    for image in images:
        if (label := classes.label(image.file)) not in names:
            raise DataError(
                f"{image.file.path} lies in a folder called {label!r}, which is no class of the "
                f"task {task.name}: its classes are {messages.list_first(classes.of_task(task))}"
            )


def _follow(name: str, images: Sequence[Header], choice: settings.Images) -> Task:
    names = classes.in_order(classes.label(image.file) for image in images)
    if unreadable := [label for label in names if not label.isprintable()]:
        raise DataError(
            f"{name} has a folder called {unreadable[0]!r}, which cannot be a class's name: give "
            "it one of letters"
        )
    if len(names) < 2:
        folder = f"the folder {names[0]!r}" if names else "no folder"
        raise DataError(
            f"{name} has images of one class only, in {folder}: put those of each class, two at "
            "least, into a folder of its name"
        )
    width, height = _choose_size(images, choice)
    channels = choice.channels or (3 if _have_colour(images) else 1)
    shape = (height, width, channels)
    feature = Feature(FEATURE, shape, picture=Picture(height, width, channels))
    return Task(naming.name_task(name, "images"), (feature,), LABEL, Classification(names))


def _choose_size(images: Sequence[Header], choice: settings.Images) -> tuple[int, int]:
    """Width and height of all pictures."""
    sizes = {image.size for image in images}
    width = height = _DEFAULT_SIDE
    if len(sizes) == 1 and max(images[0].size) <= _LARGEST_COMMON_SIDE:
        width, height = images[0].size
    return choice.width or width, choice.height or height


def _have_colour(images: Iterable[Header]) -> bool:
    """Whether some image has colour; of many large ones, some are looked at."""
    for header in look_at(image for image in images if not image.is_of_grey):
        with headers.opened(header.file) as image:
            pixels.decode_smaller(image, _DEFAULT_SIDE)
            if pixels.has_colour(image):
                return True
    return False


def _describe(
    task: Task, images: Sequence[Header], fit: Literal["stretch", "letterbox"]
) -> list[str]:
    """What becomes of images of other sizes."""
    wanted = picture(task)
    sizes = [image.size for image in images if image.size != (wanted.width, wanted.height)]
    if not sizes:
        return []
    change = "resized"
    if any(width * wanted.height != height * wanted.width for width, height in sizes):
        change = {"stretch": "stretched", "letterbox": "letterboxed"}[fit]
    scales = ((wanted.width / width, wanted.height / height) for width, height in sizes)
    choose_side = {"stretch": max, "letterbox": min}[fit]
    enlarged = sum(choose_side(scale) > 1 for scale in scales)
    note = f"{len(sizes):,} of {len(images):,} images {change}"
    return [f"{note}, {enlarged:,} of them enlarged" if enlarged else note]
