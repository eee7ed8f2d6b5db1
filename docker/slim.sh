#!/bin/sh
# Removes from an environment what nothing imports or loads. Sizes are of the current stack.
#
#   slim.sh DIR
set -eu

cd "$1"/lib/python3*/site-packages

# 0.3 GB: C++ headers, for compiling custom ops and extensions against TensorFlow, pyarrow and numpy.
rm -rf tensorflow/include pyarrow/include numpy/_core/include numpy/core/include

# 0.2 GB: the packages' own tests and their data. No module outside of them imports them when it is imported.
find . -depth -type d \( -name tests -o -name testdata \) ! -path '*.dist-info/*' -exec rm -rf {} +

# 64 MB: TensorFlow requires libclang, but no module of it imports clang.
rm -f clang/native/libclang.so

# 0.4 GB: symbol tables and debug sections, half of it in TensorFlow's main library. The loader goes by .dynsym,
# which stays. Small files are not worth it, and libraries that auditwheel has put into *.libs/ are already stripped.
find . -type f -name '*.so*' -size +1M ! -path './*.libs/*' -exec strip --strip-unneeded {} +
