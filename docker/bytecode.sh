#!/bin/sh
# Compiles what lies below a directory: a start that has to compile takes twice as long, and the root is read-only.
#
#   bytecode.sh DIR
set -eu

# -f: what was compiled by the way, when Python was run, is of another kind.
# unchecked-hash: it stays valid whatever becomes of the files' times on their way to a node.
# Some files of packages are templates or Python 2, which is nothing to end a build for: tests/container looks for
# modules without bytecode.
python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$1" >/dev/null || :
