"""One line from whatever libraries raise."""

import pytest

from pipelines import messages

# As Beam's runner with several processes has it; with one it raises the error itself.
TRACE = """Traceback (most recent call last):
  File "apache_beam/runners/common.py", line 1499, in process
  File "/mine.py", line 5, in boom
    raise ValueError("the value 7 is wrong")
"""


class Silent(Exception):
    """An error whose own text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first line\nsecond line"), "ValueError: first line"),
        (ValueError("\n\n  third line  "), "ValueError: third line"),
        (ValueError(), "ValueError"),
        (ValueError(" \n "), "ValueError"),
        (KeyError("name"), "KeyError: 'name'"),
        (
            RuntimeError(TRACE + "ValueError: the value 7 is wrong\nmore"),
            "ValueError: the value 7 is wrong",
        ),
        (
            RuntimeError(
                "Error received from SDK harness for instruction 7: "
                f"{TRACE}KeyError: 1\n\nDuring handling of the above exception, another exception "
                f"occurred:\n\n{TRACE}OSError: gone [while running 'Mine']\n"
            ),
            "OSError: gone [while running 'Mine']",
        ),
        (
            RuntimeError("Job failed\nTraceback (most recent call last):\n"),
            "RuntimeError: Job failed",
        ),
        (RuntimeError("Traceback (most recent call last):"), "RuntimeError"),
        (
            ValueError(
                "{{function_node __wrapped__IteratorGetNext_device_/job:a}} /x is a directory"
            ),
            "ValueError: /x is a directory",
        ),
        (ValueError("\x1b[31mred\x1b[0m\tand\x00nul\x07\u2028"), "ValueError: red and nul"),
        (ValueError("x" * 10_000), "ValueError: " + "x" * 587 + "…"),
        (Silent(), "Silent: RuntimeError: no text"),
    ],
    ids=range(13),
)
def test_one_line(error: Exception, line: str) -> None:
    assert messages.describe(error) == line
    assert len(line) <= 600


def test_causes_outermost_first() -> None:
    inner, outer = OSError("inner"), RuntimeError("outer")
    outer.__cause__, inner.__context__ = inner, outer  # a loop
    assert messages.chain(outer) == [outer, inner]
