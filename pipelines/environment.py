"""The environment variables of the processes that we start."""

import os
from collections.abc import Mapping

from modules.precedence import USER_FOLDERS, current_folder, user_folders

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

FOR_OTHER_PROGRAMS = ("PYTHONOPTIMIZE", "PYTHONWARNINGS")
"""What breaks the libraries: scikit-learn reads docstrings, and imports warn."""


def of_our_process(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that runs components: the user's, with what they need.

    It looks for the user's modules in the current folder too, last.
    """
    folders = [current_folder(), *user_folders(environ)]
    # gRPC alone connects our processes. It takes this variable before `no_proxy`:
    # https://github.com/grpc/grpc/blob/master/doc/environment_variables.md
    direct = (environ.get("no_grpc_proxy") or environ.get("no_proxy", "")).split(",")
    return {
        **{name: value for name, value in environ.items() if name not in FOR_OTHER_PROGRAMS},
        USER_FOLDERS: os.pathsep.join(folder for folder in folders if folder),
        # The log takes what libraries and the user's model print, whatever the locale.
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "no_grpc_proxy": ",".join(host for host in (*direct, *_THIS_MACHINE) if host),
    }
