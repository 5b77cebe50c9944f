#!/usr/bin/env bash
# Makes this checkout ready to run: Debian libraries, .venv, Python packages. Does nothing where nothing is missing.
# usage: scripts/setup.sh run|dev      (dev adds what tests and linters need)
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-run}
stamp=.venv/.ready-$level
wanted=$(cat pyproject.toml constraints.txt scripts/setup.sh | sha256sum | cut -d' ' -f1)

# ---- system libraries: Qt's xcb plugin, OpenGL and Open3D load these at run time -----------------------------------
libraries=(libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
           libxcb-keysyms1 libxcb-shape0 libusb-1.0-0 libgomp1)
if [ "$level" = dev ]; then libraries+=(xvfb xauth); fi

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
    # the window still has its headless form without them, so go on: the sentence above has said what to do
    if [ ${#missing[@]} -gt 0 ]; then install_debian "${missing[@]}" || true; fi
fi

# ---- Python packages -----------------------------------------------------------------------------------------------
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

python=
for candidate in python3.11 python3.12 python3.10 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.10, 3.11 or 3.12 is needed and none was found; on Debian 12: sudo apt-get install -y python3 python3-venv" >&2
    exit 2
fi

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    if ! "$python" -m venv .venv 2>/dev/null; then
        rm -rf .venv
        install_debian python3-venv
        "$python" -m venv .venv
    fi
fi

echo "Installing Python packages into .venv (the first time this takes some minutes and about 8 GB) ..."
extras=
if [ "$level" = dev ]; then extras='[dev]'; fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$extras"
echo "$wanted" >"$stamp"
if [ "$level" = dev ]; then echo "$wanted" >.venv/.ready-run; fi
