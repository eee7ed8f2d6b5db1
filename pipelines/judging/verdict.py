"""The lite validator's verdict: a file in its `InfraBlessing`."""

from typing import ClassVar

from pipelines.documents import Document

FILENAME = "verdict.json"


class Verdict(Document):
    """What the lite validator found.

    Attributes:
      model_bytes: Size of the model's file.
      latency_us: Median time for one example, in microseconds.
      operators: How many the model has.
      delegated: How many of them XNNPACK takes.
      failures: Why it refused the model, a sentence each; empty if it did not.
      warnings: What slows the model down, a sentence each.
    """

    FORMAT: ClassVar[int] = 2

    model_bytes: int
    latency_us: float
    operators: int
    delegated: int
    failures: list[str]
    warnings: list[str]
