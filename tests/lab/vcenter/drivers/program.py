"""A driver's program inside the lab's image, and how a test speaks to it."""

from __future__ import annotations

import json
import selectors
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.lab.errors import LabError, LateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vcenter.process import Running

_REPOSITORY = Path(__file__).resolve().parents[4]
_REPLY_TIMEOUT_S = 60

# In a mount namespace of its own, over a copy-on-write root: nothing is left when the program ends.
_INSIDE_IMAGE = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --bind /dev "$1/root/dev"
mount --bind /proc "$1/root/proc"
mount --bind "$3" "$1/root/mnt"
cp "$4" "$1/root/root/ca.pem"
cp "$5" "$1/root/etc/hosts"
exec chroot "$1/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 PYTHONPATH=/mnt \
    PYTHONDONTWRITEBYTECODE=1 python3 -W ignore -m "$6"
"""


class Driver:
    """A driver's program; a request is a call."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        """Speak to a running program."""
        self._process = process
        self._log = log

    def ask(self, request: str, **arguments: object) -> Any:
        """Return what the driver answers; fail with its traceback."""
        out, back = self._pipes()
        out.write(json.dumps({"do": request, "with": arguments}) + "\n")
        out.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(back, selectors.EVENT_READ)
            if not selector.select(_REPLY_TIMEOUT_S):
                raise LateError(f"no reply to {request} within {_REPLY_TIMEOUT_S} s")
        line = back.readline()
        if not line:
            raise LabError(f"the program ended:\n{self._log.read_text()[-3000:]}")
        reply = json.loads(line)
        assert "failed" not in reply, f"{request}: {reply['failed']}"
        return reply["done"]

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return self._process.stdin, self._process.stdout


@contextmanager
def program(name: str, image: Path, vcenter: Running, folder: Path) -> Iterator[Driver]:
    """Run one inside the block. Hosts of the vCenter's inventory are this machine."""
    mounted, hosts, log = folder / f"{name}-root", folder / f"{name}-hosts", folder / f"{name}.log"
    mounted.mkdir()
    names = " ".join(host.name for host in vcenter.control.state().hosts)
    hosts.write_text(f"127.0.0.1 localhost {names}\n")
    inside = [str(mounted), str(image), str(_REPOSITORY), str(vcenter.settings.certificates.ca), str(hosts)]
    inside.append(f"tests.lab.vcenter.drivers.{name}")
    with log.open("w") as errors:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _INSIDE_IMAGE, "sh", *inside],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:  # closes the input, which ends the program
            yield Driver(process, log)
