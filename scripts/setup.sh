#!/bin/sh
# Make the virtual environment .venv with the locked versions. Says what it does; does nothing when nothing changed.
set -eu
cd "$(dirname "$0")/.."

stamp=.venv/.installed-$(cat requirements.lock pyproject.toml | sha256sum | cut -c1-16)
[ -e "$stamp" ] && exit 0

newest_python() {
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: Python 3.11 or newer is needed and was not found; on Debian 12: apt-get install python3" >&2
    exit 1
}

python=$(newest_python)
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "setup: apt-get install python3-venv (the virtual environment needs it)"
    sudo=''
    if [ "$(id -u)" -ne 0 ]; then sudo='sudo -n'; fi
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi

echo "setup: installing the locked Python packages into .venv (about a minute the first time)"
[ -x .venv/bin/pip ] || "$python" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.lock
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
rm -f .venv/.installed-*
touch "$stamp"
