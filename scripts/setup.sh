#!/usr/bin/env bash
# Makes this checkout ready to run: Debian libraries, .venv, Python packages. Does nothing where nothing is missing.
# usage: scripts/setup.sh run|train|test|dev
#   run    the live part: the window, headless runs, predictions
#   train  and what fine-tuning and training need
#   test   the live part and what its tests need
#   dev    all of it, for every test, benchmark and linter
# environment: PYTHON  the interpreter to use; without it, the newest of Python 3.11 to 3.14 that is found
#              VENV    the virtual environment (default .venv)
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-run}
venv=${VENV:-.venv}

# Sizes on Linux x86-64 (MB to download, MB on disk), as `python -m benchmarks.install_size LEVEL` measures them
case "$level" in
run) extras='' sizes='320 1020' ;;
train) extras='[train]' sizes='3370 6810' ;;
test) extras='[test]' sizes='330 1070' ;;
dev) extras='[dev]' sizes='3900 8200' ;;
*)
    echo "usage: scripts/setup.sh run|train|test|dev, not $level" >&2
    exit 2
    ;;
esac
stamp=$venv/.ready-$level
wanted=$(cat pyproject.toml constraints.txt scripts/setup.sh | sha256sum | cut -d' ' -f1)

# ---- system libraries: Qt's xcb plugin, OpenGL and Open3D load these at run time -----------------------------------
libraries=(libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
           libxcb-keysyms1 libxcb-shape0 libusb-1.0-0 libgomp1)
if [ "$level" = dev ] || [ "$level" = test ]; then libraries+=(xvfb xauth); fi

install_debian() { # package...
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n)
        else
            echo "Some system libraries are missing and this user may not install them. Please run:" >&2
            echo "    sudo apt-get install -y $*" >&2
            return 1
        fi
    fi
    echo "Installing system libraries: $*"
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

is_installed() { # package
    [[ $(dpkg-query -W -f='${Status}' "$1" 2>/dev/null) == *'ok installed' ]]
}

# Ubuntu 24.04 and Debian 13 renamed libraries when time became 64 bits wide: libglib2.0-0 is libglib2.0-0t64 there
name_here() { # package
    if apt-cache show "$1t64" >/dev/null 2>&1; then echo "$1t64"; else echo "$1"; fi
}

if command -v dpkg-query >/dev/null; then
    missing=()
    for library in "${libraries[@]}"; do
        is_installed "$library" || is_installed "${library}t64" || missing+=("$(name_here "$library")")
    done
    # the window still has its headless form without them, so go on: the message above names the command
    if [ ${#missing[@]} -gt 0 ]; then install_debian "${missing[@]}" || true; fi
fi

# ---- the interpreter ------------------------------------------------------------------------------------------------
is_supported() { # interpreter; a pyenv shim of a version that is not selected exists and fails, and so it is not one
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        if is_supported "$PYTHON"; then
            echo "$PYTHON"
            return
        fi
        echo "PYTHON=$PYTHON is no Python 3.11, 3.12, 3.13 or 3.14 that runs; name another, or leave PYTHON out." >&2
        return 2
    fi
    local candidate
    for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
        if is_supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11, 3.12, 3.13 or 3.14 is needed and none was found; on Debian and Ubuntu:" >&2
    echo "    sudo apt-get install -y python3 python3-venv" >&2
    return 2
}

# An environment of this checkout's own that cannot be used is made anew: without pip, of another Python than the one
# that is requested or supported, or with the OpenCV that earlier versions needed, which would share its folder with the
# one that is needed now.
is_usable() {
    [ -x "$venv/bin/python" ] && is_supported "$venv/bin/python" && "$venv/bin/python" -m pip --version >/dev/null 2>&1 &&
        ! compgen -G "$venv/lib/python*/site-packages/mediapipe-0.*.dist-info" >/dev/null || return 1
    local version='import sys; print(sys.version_info[:2])'
    [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -c "$version")" = "$("$venv/bin/python" -c "$version")" ]
}

make_venv() { # interpreter
    "$1" -m venv "$venv" 2>/dev/null && return
    rm -rf "$venv"
    if command -v uv >/dev/null; then
        uv venv --quiet --seed --python "$1" "$venv" && return
        rm -rf "$venv"
    fi
    # Debian and Ubuntu keep venv in a package of its own
    install_debian "$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" && "$1" -m venv "$venv"
}

# ---- Python packages -----------------------------------------------------------------------------------------------
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && { [ -z "${PYTHON:-}" ] || is_usable; }; then exit 0; fi

if ! is_usable; then
    python=$(find_python)
    if [ -e "$venv" ]; then echo "Making $venv anew."; fi
    rm -rf "$venv"
    make_venv "$python"
fi

read -r download_mb disk_mb <<<"$sizes"
echo "Installing Python packages into $venv ($("$venv/bin/python" -V)); what is not there yet is downloaded:" \
    "at most about $download_mb MB, which take $disk_mb MB on disk."
if command -v uv >/dev/null; then
    installer=(uv pip install --quiet --python "$venv/bin/python")
else
    installer=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
fi
"${installer[@]}" -c constraints.txt -e ".$extras"
"$venv/bin/python" -m app.compile_kernels  # now, so that the first window need not wait for it
echo "$wanted" >"$stamp"
if [ "$level" = dev ]; then
    for part in run train test; do echo "$wanted" >"$venv/.ready-$part"; done
elif [ "$level" != run ]; then
    echo "$wanted" >"$venv/.ready-run"
fi
