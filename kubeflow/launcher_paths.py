"""URIs of artifacts and the local paths at which KFP's launcher keeps them."""

_ROOTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
"""As `LocalPathForURI` in KFP's `backend/src/v2/component/launcher_v2.go`."""


def to_local(uri: str) -> str:
    """`s3://bucket/a` to `/s3/bucket/a`; anything else stays as it is."""
    for scheme, root in _ROOTS.items():
        if uri.startswith(scheme):
            return root + uri.removeprefix(scheme)
    return uri


def to_uri(path: str) -> str:
    """The other way round."""
    for scheme, root in _ROOTS.items():
        if path.startswith(root):
            return scheme + path.removeprefix(root)
    return path
