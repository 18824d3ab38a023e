#!/usr/bin/env bash
# Makes .venv and installs the pinned stack in it; `make install` calls it.
# Does nothing when the requirement files are those of the last complete installation.
#
#   PYTHON       interpreter to use; default: the first of python3, 3.12, 3.11, 3.10 that works
#   VENV         where the environment goes; default: .venv
#   TORCH_INDEX  package index to take PyTorch from, such as the CPU or a CUDA one that PyTorch
#                documents; default: pip's own
#   FORCE_CUDA   1 to build mmcv's CUDA ops too (needs nvcc); default: 0
set -euo pipefail
cd "$(dirname "$0")/.."

VENV=${VENV:-.venv}
FORCE_CUDA=${FORCE_CUDA:-0}
MMCV='mmcv==2.1.0'
PY="$VENV/bin/python"
STAMP="$VENV/.medseg-installed"

fail() {
    printf '\ninstall: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

key() {
    {
        cat requirements/*.txt setup.py tools/install.sh
        echo "TORCH_INDEX=${TORCH_INDEX:-} FORCE_CUDA=$FORCE_CUDA root=$PWD"
        "$PY" --version
    } | sha256sum | cut -d' ' -f1
}

# A version manager's shim may exist and still not run, so each candidate is asked.
usable() {
    [ "$("$1" -c 'import sys; print((3, 10) <= sys.version_info[:2] <= (3, 12))' \
        </dev/null 2>/dev/null)" = True ]
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" || fail "PYTHON=$PYTHON is not a working Python 3.10, 3.11 or 3.12"
        echo "$PYTHON"
        return
    fi
    for candidate in python3 python3.12 python3.11 python3.10; do
        for path in $(type -ap "$candidate" 2>/dev/null || true); do
            if usable "$path" && "$path" -c 'import venv, ensurepip' 2>/dev/null; then
                echo "$path"
                return
            fi
        done
    done
    for candidate in python3 python3.12 python3.11 python3.10; do
        if usable "$candidate"; then
            fail "$candidate cannot make virtual environments" \
                'apt-get install python3-venv'
        fi
    done
    fail 'no working Python 3.10, 3.11 or 3.12 was found' \
        'apt-get install python3 python3-venv python3-dev' \
        'or name one: make install PYTHON=/path/to/python3.11'
}

make_venv() {
    if [ -x "$PY" ] && usable "$PY" && "$PY" -m pip --version >/dev/null 2>&1; then
        return
    fi
    local python
    python=$(find_python)
    echo "install: making $VENV with $python"
    "$python" -m venv "$VENV" || fail "$python could not make $VENV" \
        'apt-get install python3-venv' \
        "a half-made $VENV can be removed: rm -r $VENV"
}

has_ops() {
    "$PY" -c 'import mmcv, mmcv.ops; assert mmcv.__version__ == "2.1.0"' >/dev/null 2>&1
}

check_compiler() {
    local cxx=${CXX:-g++} header
    command -v "$cxx" >/dev/null || fail "mmcv's ops need a C++ compiler, and $cxx is missing" \
        'apt-get install g++'
    header=$("$PY" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    [ -f "$header" ] || fail "mmcv's ops need Python's headers, and $header is missing" \
        "apt-get install python3-dev   (or python3.X-dev for the Python of $VENV)"
}

# mmcv 2.1.0's CUDA sources include THC/THCAtomics.cuh, which PyTorch 2 no longer ships; it had
# only passed on to the header named below (open-mmlab/mmcv issue 1582).
add_missing_cuda_header() {
    local shim="$PWD/$VENV/cuda-include"
    case "$VENV" in /*) shim="$VENV/cuda-include" ;; esac
    mkdir -p "$shim/THC"
    printf '#pragma once\n#include <ATen/cuda/Atomic.cuh>\n' > "$shim/THC/THCAtomics.cuh"
    export CPATH="$shim${CPATH:+:$CPATH}"
}

pip_install() {
    "$PY" -m pip install --disable-pip-version-check "$@" || fail "pip install $* failed (see above)" \
        'no network or no such package: check pip config and the connection, then run make again'
}

if [ -x "$PY" ] && [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(key)" ]; then
    exit 0
fi

make_venv
if ! has_ops; then
    check_compiler  # before gigabytes are downloaded
fi
rm -f "$STAMP"
pip_install -r requirements/build.txt
if [ -n "${TORCH_INDEX:-}" ]; then
    pip_install --index-url "$TORCH_INDEX" "$(grep -oE '^torch==[^ ]+' requirements/runtime.txt)"
fi
pip_install -r requirements/runtime.txt -r requirements/tests.txt -r requirements/dev.txt \
    -r requirements/deploy.txt -r requirements/live.txt -r requirements/volumes.txt
pip_install --no-deps -r requirements/openmmlab.txt -r requirements/volumes-data.txt
if ! has_ops; then
    if [ "$FORCE_CUDA" = 1 ]; then
        command -v nvcc >/dev/null || fail 'FORCE_CUDA=1 needs nvcc, and it is missing' \
            "install the CUDA toolkit of PyTorch's CUDA version and put its bin/ on the PATH"
        add_missing_cuda_header
    fi
    echo "install: building mmcv's ops; several minutes, once (pip keeps the wheel)"
    MMCV_WITH_OPS=1 FORCE_CUDA=$FORCE_CUDA pip_install --no-build-isolation --no-deps "$MMCV"
    if ! has_ops; then
        # A wheel in pip's cache may come from another PyTorch, or from a build without ops.
        MMCV_WITH_OPS=1 FORCE_CUDA=$FORCE_CUDA pip_install --no-build-isolation --no-deps \
            --no-cache-dir --force-reinstall "$MMCV"
    fi
    has_ops || fail "mmcv's ops do not import after the build:" \
        "$("$PY" -c 'import mmcv.ops' 2>&1 | tail -1)"
fi
# Only the library: medseg/paths.py finds `projects` in the checkout, as it does in the wheel.
pip_install --no-build-isolation --no-deps -e .
"$PY" -I -c 'import cv2, mmdet.apis, mmcv.ops, medseg.cli, projects.lmsfa' ||
    fail 'the installed packages do not import together (see above)'
key > "$STAMP.tmp"
mv "$STAMP.tmp" "$STAMP"
echo "install: $VENV is ready"
