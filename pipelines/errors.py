"""The project's exceptions, each with the exit code its command ends with.

    TfxMobileError                 1  anything else
    ├── UsageError                 2  wrong usage, settings or input
    │   ├── SettingsError             an unknown setting or value
    │   ├── DataError                 examples that cannot be used
    │   ├── DocumentError             a document that is damaged, or of another format
    │   └── OutputError               a directory that cannot be written
    ├── EnvironmentLacksError      3  the environment lacks something; `doctor` tells what
    ├── GateRefusedError           4  a quality gate refused a model
    ├── StorageError               1  an object store that cannot be reached, or fails
    │   └── StorageRefusedError    2  wrong credentials, bucket, address or certificate
    │       └── StorageMissingError   nothing at the place that was named
    ├── ClusterError               1  a KFP server that cannot be reached, or fails
    │   └── ClusterRefusedError    2  wrong credentials, namespace, name or value
    │       └── ClusterMissingError   no such pipeline, version, run or schedule
    └── RunFailedError             1  a run on KFP that did not succeed

Every message is one sentence: what is wrong, where, and what to do.
"""


class TfxMobileError(Exception):
    """Anything a person can be told in one sentence."""

    exit_code = 1


class UsageError(TfxMobileError):
    """Wrong usage, settings or input."""

    exit_code = 2


class SettingsError(UsageError):
    """An unknown setting or value."""


class DataError(UsageError):
    """Examples that cannot be used."""


class DocumentError(UsageError):
    """A document of ours is damaged, or has the format of another release."""


class OutputError(UsageError):
    """A directory that cannot be written."""


class EnvironmentLacksError(TfxMobileError):
    """The environment lacks something."""

    exit_code = 3


class GateRefusedError(TfxMobileError):
    """The pipeline ran and a quality gate refused a model."""

    exit_code = 4


class StorageError(TfxMobileError):
    """An object store cannot be reached, fails, or gives damaged content."""


class StorageRefusedError(StorageError):
    """An object store cannot be used as asked: credentials, bucket, address or certificate."""

    exit_code = 2


class StorageMissingError(StorageRefusedError):
    """There is nothing at the place that was named."""


class ClusterError(TfxMobileError):
    """A server of Kubeflow Pipelines cannot be reached, or fails."""


class ClusterRefusedError(ClusterError):
    """A server of Kubeflow Pipelines does not do what was asked: credentials, names or values."""

    exit_code = 2


class ClusterMissingError(ClusterRefusedError):
    """The server has no such pipeline, version, run or schedule."""


class RunFailedError(TfxMobileError):
    """A run on Kubeflow Pipelines failed or was cancelled."""
