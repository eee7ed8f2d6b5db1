"""Files in object stores: gs://, s3:// and minio:// by their libraries, plain paths as well.

Light to import: boto3 and Google's library are loaded when a URI first needs them.
"""

from kubeflow.storage.objects import Object, OnProgress
from kubeflow.storage.options import Options
from kubeflow.storage.transfer import (
    create_bytes,
    delete,
    download,
    list_objects,
    make_bucket,
    read_bytes,
    read_objects,
    upload,
    write_bytes,
)
from kubeflow.storage.uris import is_remote

__all__ = [
    "Object",
    "OnProgress",
    "Options",
    "create_bytes",
    "delete",
    "download",
    "is_remote",
    "list_objects",
    "make_bucket",
    "read_bytes",
    "read_objects",
    "upload",
    "write_bytes",
]
