"""The hosts' image: built once from Debian's packages, kept under the digest of its recipe.

`<cache>/image-<digest>/` holds two layers for overlay mounts: `base` (a whole Debian system) and
`remote` (the difference that pacemaker-remote makes). A build happens in a folder beside it and
is renamed when it is complete, so a folder of that name is always whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import recipe
from tests.lab.commands import run, run_in_root, run_jailed
from tests.lab.errors import LabError
from tests.lab.layout import CACHE, STATE

if TYPE_CHECKING:
    from tests.lab.progress import Progress

_NO_QUESTIONS = ("DEBIAN_FRONTEND=noninteractive", "DEBCONF_NOWARNINGS=yes")
_APT = (
    "apt-get", "-q", "-y", "--no-install-recommends",
    "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=3", "-o", "Dpkg::Use-Pty=0",
)  # fmt: skip
_DIVERT = ("dpkg-divert", "--quiet", "--local", "--rename")
_COMPILER = "/usr/bin/py3compile"
_MODULES = "/usr/lib/python3/dist-packages"
_FIELDS = 4
"""Of a line of `apt-get indextargets` in the format asked for."""


def image_digest() -> str:
    """The name of the image that the recipe makes (12 hexadecimal digits)."""
    text = json.dumps(recipe.ingredients(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def image_folder() -> Path:
    """Where the image is once it is built."""
    return CACHE / f"image-{image_digest()}"


def base_layer() -> Path:
    """The whole system: the lowest layer of each host."""
    return image_folder() / "base"


def remote_layer() -> Path:
    """What pacemaker-remote changes: goes above `base_layer` on the hosts that have it."""
    return image_folder() / "remote"


def build_image(progress: Progress) -> Path:
    """Make sure that the image exists; returns its folder. Needs the network only to build.

    Who comes while another process builds it waits for that.
    """
    folder = image_folder()
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder, progress)
    return folder


def _build(folder: Path, progress: Progress) -> None:
    building = CACHE / f"building-image-{image_digest()}"
    if building.exists():
        shutil.rmtree(building)
    base = building / "base"
    base.mkdir(parents=True)
    logs = STATE / "log"
    logs.mkdir(parents=True, exist_ok=True)
    sources = _debian_sources()
    with progress.step("image: Debian base system", usually_s=45):
        _bootstrap(base, sources[0][0], logs)
    with progress.step("image: OpenStack, libvirt, Pacemaker, Ceph packages", usually_s=150):
        _install_packages(base, sources, logs)
    with progress.step("image: Python modules compiled", usually_s=30):
        _compile_modules(base)
    _disable_services(base)
    _place_files(base)
    with progress.step("image: pacemaker-remote layer", usually_s=10):
        _build_remote_layer(building, logs)
    _forget_sources(base)
    building.rename(folder)
    _drop_older(folder)


def _debian_sources() -> list[tuple[str, str]]:
    """The machine's own Debian sources of the suite: (address, suite), main archive first."""
    answer = run(
        [
            "apt-get", "indextargets", "Created-By: Packages",
            "--format", "$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)",
        ]
    )  # fmt: skip
    wanted = {recipe.SUITE, f"{recipe.SUITE}-updates", f"{recipe.SUITE}-security"}
    found = {
        (suite != recipe.SUITE, address, suite)
        for origin, address, suite, component in (line.split() for line in answer.splitlines() if len(line.split()) == _FIELDS)
        if origin == "Debian" and component == "main" and suite in wanted
    }
    sources = [(address, suite) for _, address, suite in sorted(found)]
    if not sources or sources[0][1] != recipe.SUITE:
        message = f"apt on this machine has no Debian source for {recipe.SUITE} main"
        raise LabError(message)
    return sources


def _bootstrap(base: Path, mirror: str, logs: Path) -> None:
    run_jailed(
        [
            "debootstrap", "--variant=minbase", f"--include={','.join(recipe.BASE_PACKAGES)}",
            recipe.SUITE, str(base), mirror,
        ],
        log=logs / "image-debootstrap.log",
        environment={**_proxies(), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )  # fmt: skip


def _install_packages(base: Path, sources: list[tuple[str, str]], logs: Path) -> None:
    lines = [f"deb {address} {suite} main\n" for address, suite in sources]
    (base / "etc/apt/sources.list").write_text("".join(lines))
    (base / "etc/dpkg/dpkg.cfg.d/lab").write_text(recipe.DPKG_OPTIONS)
    (base / "etc/resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
    no_starts = base / "usr/sbin/policy-rc.d"
    no_starts.write_text("#!/bin/sh\nexit 101\n")
    no_starts.chmod(0o755)
    environment = [*_NO_QUESTIONS, *(f"{name}={value}" for name, value in _proxies().items())]
    packages = [*recipe.CONTROL_PLANE_PACKAGES, *recipe.STORE_PACKAGES, *recipe.NODE_PACKAGES]
    run_in_root(base, [*_DIVERT, "--add", _COMPILER])
    (base / _COMPILER.lstrip("/")).symlink_to("/bin/true")
    for log, argv in (
        ("image-apt-update.log", [*_APT, "update"]),
        ("image-apt-install.log", [*_APT, "install", *packages]),
        ("image-apt-remote.log", [*_APT, "download", *recipe.REMOTE_PACKAGES]),
    ):
        run_in_root(base, argv, log=logs / log, environment=environment, timeout_s=1800)
    run_in_root(base, [*_APT, "clean"])


def _compile_modules(base: Path) -> None:
    """What each package would have done for itself, in one go and on all cores."""
    (base / _COMPILER.lstrip("/")).unlink()
    run_in_root(base, [*_DIVERT, "--remove", _COMPILER])
    run_in_root(base, ["python3", "-m", "compileall", "-q", "-j", "0", _MODULES])


def _disable_services(base: Path) -> None:
    """Undo what the packages enabled: a host of Bivisor's starts with nothing running."""
    units = base / "etc/systemd/system"
    for link in [*units.glob("*.wants/*"), *units.glob("*.requires/*")]:
        if link.name not in recipe.ENABLED_UNITS:
            link.unlink()
    for link in base.glob("etc/rc[0-6S].d/[SK]*"):
        link.unlink()
    for unit in recipe.MASKED_UNITS:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")


def _place_files(base: Path) -> None:
    for path, (mode, text) in recipe.FILES.items():
        place = base / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(text)
        place.chmod(mode)
    module = base / recipe.GLANCE_MODULE.lstrip("/")
    source = module.read_text()
    if recipe.GLANCE_BEFORE not in source:
        message = f"{recipe.GLANCE_MODULE} has changed: is the repair still needed?"
        raise LabError(message)
    module.write_text(source.replace(recipe.GLANCE_BEFORE, recipe.GLANCE_AFTER))
    run_in_root(base, ["python3", "-m", "compileall", "-q", recipe.GLANCE_MODULE])
    run_in_root(base, ["useradd", "--create-home", "--shell", "/bin/bash", recipe.SUDO_USER])
    for key in base.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    for folder in ("srv/share", "root/.ssh", f"home/{recipe.SUDO_USER}/.ssh"):
        (base / folder).mkdir(parents=True, exist_ok=True)
        (base / folder).chmod(0o755 if folder == "srv/share" else 0o700)
    run_in_root(base, ["chown", "-R", f"{recipe.SUDO_USER}:", f"/home/{recipe.SUDO_USER}"])


def _build_remote_layer(building: Path, logs: Path) -> None:
    """Install pacemaker-remote over an overlay of the base; what changed is the layer."""
    script = """
        set -e
        mount -t overlay overlay -o "lowerdir=$1/base,upperdir=$1/remote,workdir=$1/work" "$1/root"
        chroot "$1/root" sh -c 'dpkg --purge --force-depends pacemaker && dpkg -i /*.deb && rm /*.deb'
    """
    for name in ("remote", "work", "root"):
        (building / name).mkdir()
    run_jailed(
        ["sh", "-c", script, "sh", str(building)],
        log=logs / "image-remote.log",
        environment={"PATH": os.environ["PATH"], "DEBIAN_FRONTEND": "noninteractive"},
    )
    (building / "root").rmdir()
    shutil.rmtree(building / "work")
    _disable_in_layer(building / "remote")
    for package in (building / "base").glob("*.deb"):
        package.unlink()


def _disable_in_layer(layer: Path) -> None:
    """As `_disable_services`, for the unit links that the layer itself brought."""
    for link in layer.glob("etc/systemd/system/*.wants/*"):
        if link.is_symlink():
            link.unlink()


def _forget_sources(base: Path) -> None:
    """The hosts reach no package archive: without lists, apt says so at once."""
    (base / "usr/sbin/policy-rc.d").unlink()
    shutil.rmtree(base / "var/lib/apt/lists")
    (base / "var/lib/apt/lists/partial").mkdir(parents=True)


def _proxies() -> dict[str, str]:
    """The proxy that apt uses on this machine, if any, as environment for the chroot's apt."""
    found = {name: os.environ[name] for name in ("http_proxy", "https_proxy") if name in os.environ}
    for name in ("http", "https"):
        answer = run(["apt-config", "shell", "value", f"Acquire::{name}::Proxy"])
        if "=" in answer:
            found[f"{name}_proxy"] = answer.split("=", 1)[1].strip().strip("'")
    return found


def _drop_older(keep: Path) -> None:
    """Images of former recipes are of no use to anybody."""
    for folder in [*CACHE.glob("image-*"), *CACHE.glob("building-image-*")]:
        if folder != keep:
            shutil.rmtree(folder)
