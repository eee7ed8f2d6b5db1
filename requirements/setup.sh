#!/bin/sh
# Makes the environment this checkout runs in, from the hashed lock files beside this script.
#
#   sh requirements/setup.sh [--dev]          --dev adds what tests, checks and benchmarks need
#   sh requirements/setup.sh --print-choice   only say which stack and Python it would take
#
#   VENV=DIR                        where the environment goes (default: .venv in the checkout)
#   PYTHON=python3.12               use this interpreter and no other
#   TFX_MOBILE_STACK=current|legacy use this stack and no other
#
# Exit codes: 0 ready, 1 the installation failed, 2 wrong usage, 3 this host lacks something.
set -eu
unset CDPATH
root=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
locks=$root/requirements
venv=${VENV:-$root/.venv}
case $venv in /*) ;; *) venv=$PWD/$venv ;; esac
stamp=$venv/tfx-mobile.stamp
log=$venv/setup.log

say() { printf '%s\n' "$*"; }
die() { code=$1; shift; printf '%s\n' "$*" >&2; exit "$code"; }

dev=no only_print=no
for arg; do
    case $arg in
        --dev) dev=yes ;;
        --print-choice) only_print=yes ;;
        *) die 2 "usage: sh requirements/setup.sh [--dev | --print-choice]" ;;
    esac
done

# ---------------------------------------------------------------- which stack, which Python

# A candidate is asked, not looked at: a pyenv shim may be on PATH and refuse to run. Its answer names the
# interpreter behind shims and virtual environments, so the environment outlives both.
probe='
import importlib.util, os, sys, sysconfig
print("%d.%d" % sys.version_info[:2])
print(os.path.abspath(getattr(sys, "_base_executable", None) or sys.executable))
print((sysconfig.get_config_var("CXX") or "c++").split()[0])
lacks = [] if importlib.util.find_spec("ensurepip") else ["the venv module"]
if not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")):
    lacks.append("the C headers")
print(" and ".join(lacks))
'

# ask CANDIDATE: sets version, python, cxx and lacks; fails where the candidate does not run.
ask() {
    answer=$("$1" -I -c "$probe" 2>/dev/null </dev/null) || return 1
    { read -r version && IFS= read -r python && IFS= read -r cxx && IFS= read -r lacks; } <<EOF || return 1
$answer

EOF
}

# Every place where a Python of version $1 may lie, best first. All of PATH, since a shim may hide another.
places() {
    for name in "python$1" python3; do
        IFS=:
        for dir in $PATH; do printf '%s\n' "$dir/$name"; done
        unset IFS
    done
    data=${XDG_DATA_HOME:-${HOME:-}/.local/share}
    for place in "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions"/*/bin/"python$1" \
        "${UV_PYTHON_INSTALL_DIR:-$data/uv/python}"/*/bin/"python$1"; do
        printf '%s\n' "$place"
    done
}

# find_python VERSION: leaves the first complete one in python and cxx, or says in flaw what came closest.
flaw=
find_python() {
    while IFS= read -r place; do
        if [ -x "$place" ] && ask "$place" && [ "$version" = "$1" ]; then
            [ -n "$lacks" ] || return 0
            flaw="Python $version at $python lacks $lacks"
        fi
    done <<EOF
$(places "$1")
EOF
    return 1
}

# fetch_python VERSION: the last resort, an interpreter from uv. Bounded, for hosts without a network.
fetch_python() {
    say "no suitable Python here: trying to download $1 with uv, four minutes at most"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    uv=$(command -v uv) || {
        uv=$scratch/bin/uv
        for helper in $(places 3 | grep -v ' '); do
            [ -x "$helper" ] && "$helper" -m venv "$scratch" >/dev/null 2>&1 &&
                timeout 60 "$scratch/bin/python" -m pip install --quiet --retries 1 --timeout 10 --no-deps \
                    --require-hashes -r "$locks/bootstrap.txt" >/dev/null 2>&1 && break
        done
    }
    [ -x "$uv" ] || return 1
    UV_PYTHON_INSTALL_BIN=0 UV_HTTP_RETRIES=1 timeout 180 "$uv" python install --quiet "$1" >/dev/null 2>&1 &&
        find_python "$1"
}

# Sets stack, python, cxx and choice (the sentence); ends the script where nothing fits.
choose() {
    host=$(uname -s)-$(uname -m)
    [ "$host" = Linux-x86_64 ] ||
        die 3 "TFX has no packages for $host: run tfx-mobile on Linux x86_64, or in its container image."
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || glibc=
    case $glibc in
        "glibc 2."*) glibc=${glibc#glibc }; minor=${glibc#2.}; minor=${minor%%[!0-9]*} ;;
        *) die 3 "TensorFlow needs glibc and this host has another C library: use tfx-mobile's container image." ;;
    esac
    [ "$minor" -ge 28 ] || die 3 "This host has glibc $glibc and TFX needs 2.28: use tfx-mobile's container image."

    asked=${TFX_MOBILE_STACK:-any}
    case $asked in any | current | legacy) ;; *) die 2 "TFX_MOBILE_STACK is current or legacy, not '$asked'." ;; esac
    why="this host has glibc $glibc and a Python 3.12"
    [ "$minor" -ge 39 ] || why="this host has glibc $glibc, the current stack needs 2.39"
    [ "$asked" != current ] || [ "$minor" -ge 39 ] || die 3 "TFX_MOBILE_STACK=current cannot be: $why."

    stack=
    if [ -n "${PYTHON:-}" ]; then
        ask "$PYTHON" || die 3 "PYTHON=$PYTHON does not run."
        case $version in
            3.12) stack=current; [ "$minor" -ge 39 ] || die 3 "PYTHON=$PYTHON is a 3.12, but $why: give it a Python 3.10." ;;
            3.10) stack=legacy; [ "$minor" -lt 39 ] || why="PYTHON is a 3.10" ;;
            *) die 3 "PYTHON=$PYTHON is a $version, and the stacks need 3.12 or 3.10." ;;
        esac
        [ "$asked" = any ] || [ "$asked" = "$stack" ] ||
            die 3 "TFX_MOBILE_STACK=$asked and PYTHON=$PYTHON contradict each other: that Python is a $version."
        [ -z "$lacks" ] || die 3 "PYTHON=$PYTHON lacks $lacks: install python$version-venv and python$version-dev."
    else
        if [ "$minor" -ge 39 ] && [ "$asked" != legacy ]; then
            if find_python 3.12; then stack=current
            else why="the current stack needs a Python 3.12 and ${flaw:-there is none}"; fi
        fi
        if [ -z "$stack" ] && [ "$asked" != current ] && find_python 3.10; then stack=legacy; fi
        if [ -z "$stack" ]; then
            need=3.10
            [ "$minor" -lt 39 ] || [ "$asked" = legacy ] || need=3.12
            if [ "$only_print" = no ] && fetch_python "$need"; then
                stack=legacy
                [ "$need" = 3.10 ] || { stack=current; why="this host has glibc $glibc"; }
            elif [ -n "$flaw" ]; then
                set -- "${flaw#Python }"
                die 3 "$flaw: install python${1%% *}-venv and python${1%% *}-dev, then run this again."
            else
                die 3 "No Python $need was found on PATH, under pyenv or uv: install one (uv python install $need, pyenv install $need, or your system's python$need, python$need-venv and python$need-dev), then run this again."
            fi
        fi
    fi
    [ "$asked" = any ] || why="TFX_MOBILE_STACK asks for it"
    tfx=$(sed -n 's/^tfx==\([0-9.]*\).*/\1/p' "$locks/$stack.txt")
    choice="stack $stack (TFX $tfx, Python $version at $python): $why"
}

# ---------------------------------------------------------------- is there anything to do

if [ "$only_print" = yes ]; then choose; say "$choice"; exit 0; fi

# One set-up of a checkout at a time. A killed one leaves its installer running and holding the lock.
if command -v flock >/dev/null; then
    exec 9<"$locks/setup.sh"
    flock -n 9 || { say "waiting for another set-up of this checkout"; flock 9; }
fi

# The stamp is written last, so an environment without a whole stamp is half-made. It names the directory,
# because an environment does not survive being moved, and the hashes of all that it was made from.
had_venv='' had_dev='' had_locks='' had_project='' had_stack='' had_python='' had_choice=''
if [ -f "$stamp" ]; then
    { IFS= read -r had_venv && read -r had_dev && read -r had_locks && read -r had_project && read -r had_stack &&
        IFS= read -r had_python && IFS= read -r had_choice; } <"$stamp" || had_choice=
fi
usable=no
if [ -n "$had_choice" ] && [ "$had_venv" = "$venv" ] && [ -x "$venv/bin/python" ]; then usable=yes; fi

if [ "$usable" = yes ] && [ -z "${PYTHON:-}${TFX_MOBILE_STACK:-}" ]; then
    stack=$had_stack python=$had_python choice=$had_choice
else
    choose
    [ "$had_stack $had_python" = "$stack $python" ] || usable=no
fi
say "$choice"

cd -- "$root"
[ "$usable $had_dev" != "yes yes" ] || dev=yes
lock=requirements/$stack.txt
[ "$dev" = no ] || lock=requirements/$stack-dev.txt
hash() { cat "$@" | sha256sum | cut -c 1-64; }
now_locks=$(hash requirements/bootstrap.txt requirements/build.txt "$lock")
now_project=$(hash pyproject.toml modules/precedence.py)
[ "$usable $had_locks $had_project" != "yes $now_locks $now_project" ] || exit 0

# ---------------------------------------------------------------- install

started=$(date +%s)

# run WHAT COMMAND...: quiet unless it fails. An update that fails, for want of a network say, has the old
# stamp back: uv downloads before it touches anything. Only a killed one is made anew.
run() {
    what=$1; shift
    "$@" >>"$log" 2>&1 </dev/null && return
    [ ! -f "$stamp.old" ] || mv -f -- "$stamp.old" "$stamp"
    tail -n 15 "$log" >&2
    die 1 "$what failed, for the reason above; run this again once it is mended (whole log: $log)."
}
uv() { "$venv/bin/uv" --quiet "$@"; }

if [ "$usable" = no ]; then
    # pyfarmhash, deep inside TFX, ships as source only.
    compiler=${CXX:-$cxx}
    if ! command -v "${compiler%% *}" >/dev/null; then
        command -v g++ >/dev/null ||
            die 3 "No C++ compiler was found and a part of TFX is built from source: install one (Debian, Ubuntu: apt-get install g++), then run this again."
        export CC=gcc CXX=g++
    fi
    mkdir -p -- "$venv" 2>/dev/null && [ -w "$venv" ] ||
        die 3 "Cannot write to $venv: set VENV=DIR to a place you may write to."
    [ -f "$stamp" ] || [ -z "$(ls -A -- "$venv")" ] ||
        die 3 "$venv exists and this script did not make it: remove it, or set VENV=DIR to another place."
    echo building >"$stamp"
    find "$venv" -mindepth 1 -maxdepth 1 ! -name "${stamp##*/}" -exec rm -rf {} +
    free=$(df -Pk -- "$venv" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge 4000 ] ||
        die 3 "The environment needs 4 GB and $free MB are free at $venv: make room or set VENV=DIR to a place with more."
    say "making $venv: up to 0.7 GB to download, 3 GB on disk, one to five minutes"
    run "Making the environment" "$python" -I -m venv "$venv"
    run "Installing uv" "$venv/bin/python" -I -m pip install --quiet --retries 2 --no-deps --only-binary :all: \
        --require-hashes -r requirements/bootstrap.txt
else
    say "updating $venv"
    cp -- "$stamp" "$stamp.old"
    echo building >"$stamp"
fi

cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/uv}
if ! mkdir -p -- "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
    cache=$venv/cache
fi
export UV_CACHE_DIR="$cache"
# uv does not read pip's configuration; a host that only reaches a mirror has it there.
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=${PIP_INDEX_URL:-$("$venv/bin/python" -I -m pip config get global.index-url 2>/dev/null || :)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
fi
# No build isolation: source packages are built by the locked setuptools, so nothing comes in without a hash.
if [ "$usable $had_locks" != "yes $now_locks" ]; then
    run "Installing setuptools" uv pip install --python "$venv/bin/python" --no-deps --require-hashes \
        -r requirements/build.txt
    run "Installing the packages" uv pip sync --python "$venv/bin/python" --no-build-isolation \
        --compile-bytecode --require-hashes "$lock"
fi
# Editable as one .pth line (compat): a package directory added later is found without a new set-up.
run "Installing the project" uv pip install --python "$venv/bin/python" --offline --no-deps --no-build-isolation \
    --config-settings editable_mode=compat --reinstall-package tfx-mobile -e .
# A .pth file of its own lets our packages win over others of the same names, such as Kubeflow's SDK.
run "Giving our packages precedence" "$venv/bin/python" -I modules/precedence.py
[ "$cache" != "$venv/cache" ] || rm -rf -- "$cache"

printf '%s\n' "$venv" "$dev" "$now_locks" "$now_project" "$stack" "$python" "$choice" >"$stamp.new"
mv -f -- "$stamp.new" "$stamp"
rm -f -- "$stamp.old"
say "ready after $(($(date +%s) - started)) s"
