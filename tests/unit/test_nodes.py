"""What happens in a process between two components."""

import logging

import psutil

from pipelines.local import events, nodes


def test_memory_goes_back_to_the_system_after_a_component():
    """An example of the size of MNIST's is a small block, which glibc keeps if one behind it is
    in use."""
    sent = []
    handler = nodes.ComponentHandler(nodes.Reporter(sent.append))
    blocks = [bytes(3_000) for _ in range(100_000)]
    kept = blocks[::1_000]
    del blocks
    before = psutil.Process().memory_info().rss

    handler.emit(
        logging.makeLogRecord({"msg": "Component %s is finished.", "args": ("trainer-keras",)})
    )

    assert psutil.Process().memory_info().rss < before - 200_000_000
    assert len(kept) == 100
    assert sent == [events.Finished("trainer-keras", "")]
