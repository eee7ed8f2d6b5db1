"""How pytest-xdist distributes the tests over its processes."""

from xdist.scheduler import LoadFileScheduling

WITH_IMAGE = ("tests/container/", "tests/kubeflow/test_run_in_image.py")
"""Where the tests are that use the image."""


class ImageInOneProcess(LoadFileScheduling):
    """Each file of tests in one process, and all files that use the image in the same one.

    The image is built once in each process that asks for it, which takes minutes.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "image" if file.startswith(WITH_IMAGE) else file
