"""A Nova of a later release than the image's, in a virtual environment of its own: a layer for those hosts that may run it.

`up` neither builds it nor waits for it. Who wants it builds it and resets the lab: from then on the hosts have it below
`/opt/nova`, and nothing runs from there. `<cache>/nova-<digest>/` is named after the image and the locked versions.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.commands import CLEAN_ENVIRONMENT, run_jailed
from tests.lab.image import base_layer, image_digest
from tests.lab.layout import API, CACHE, CONTROLLERS, STATE

if TYPE_CHECKING:
    from tests.lab.layout import Host
    from tests.lab.progress import Progress

HOME = "/opt/nova"
"""Where the virtual environment is on the hosts."""

_REQUIREMENTS = Path(__file__).parent / "nova" / "requirements.txt"
_REVISION = 1
"""Raise it when the steps of this module change what they make."""

_INSTALL = """
set -e
layers=$1 home=$2; shift 2
mount -t overlay overlay -o "lowerdir=$layers,upperdir=$PWD/layer,workdir=$PWD/work" root
mount --bind wheels root/mnt
mount --bind /dev root/dev
mount -t proc proc root/proc
exec chroot root /usr/bin/env -i "$@" HOME_OF_NOVA="$home" sh -e -s <<'END'
python3 -m venv --without-pip "$HOME_OF_NOVA"
set -- /mnt/pip-*.whl
"$HOME_OF_NOVA/bin/python" "$1/pip" install --quiet --no-index --find-links /mnt --no-deps --no-compile -r /mnt/requirements.txt
"$HOME_OF_NOVA/bin/python" -m compileall -q -j 0 -x '/nova/tests/' "$HOME_OF_NOVA/lib"
END
"""
"""In the image, without a network: what was downloaded is installed, and compiled, because the services may not write there."""


def nova_layer() -> Path:
    """Where the layer is once it is built."""
    made_of = f"{image_digest()} {_REQUIREMENTS.read_text()} {_REVISION}"
    return CACHE / f"nova-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"


def layers_of(host: Host) -> list[Path]:
    """What lies between the image and the rest of this host: the layer, if the host is one of its own and it is built."""
    return [nova_layer()] if host in (API, *CONTROLLERS) and nova_layer().is_dir() else []


def build_nova(progress: Progress) -> Path:
    """Make sure that the layer exists; returns it. Needs the image, and the package index only to build."""
    layer = nova_layer()
    if layer.is_dir():
        return layer
    building = layer.with_name(f"building-{layer.name}")
    if building.exists():
        shutil.rmtree(building)
    for name in ("wheels", "layer", "work", "root"):
        (building / name).mkdir(parents=True)
    with progress.step("Nova of a later release: packages", usually_s=40):
        _download(building / "wheels")
    with progress.step("Nova of a later release: virtual environment", usually_s=50):
        run_jailed(
            ["sh", "-c", f'cd "$1"; shift; {_INSTALL}', "sh", str(building), str(base_layer()), HOME, *CLEAN_ENVIRONMENT],
            log=STATE / "log" / "nova-install.log",
            environment={"PATH": os.environ["PATH"]},
        )
    (building / "layer").rename(layer)
    shutil.rmtree(building)
    for old in [*CACHE.glob("nova-*"), *CACHE.glob("building-nova-*")]:
        if old != layer:
            shutil.rmtree(old)
    return layer


def _download(folder: Path) -> None:
    """By this machine's pip, which knows the package index; what it finds is for the image's Python."""
    shutil.copy(_REQUIREMENTS, folder / "requirements.txt")
    run_jailed(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary", ":all:", "--python-version", "3.11",
            "--dest", str(folder), "--requirement", str(_REQUIREMENTS),
        ],
        log=STATE / "log" / "nova-download.log",
    )  # fmt: skip
