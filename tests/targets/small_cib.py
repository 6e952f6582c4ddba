"""As much of Pacemaker's tools as claiming an epoch takes: programs that keep the property set in a file.

What they print and how they end was seen from Pacemaker 2.1.5.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_CIBADMIN = """\
#!{python} -IS
import fcntl, os, sys
folder, argv = {folder!r}, sys.argv[1:]
with open(folder + "/lock", "a") as lock:  # the one who keeps the CIB does one thing after the other
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        text = open(folder + "/set").read()
    except FileNotFoundError:
        text = ""
    if open(folder + "/mode").read() == "off":
        sys.exit(102)
    value = text.partition('name="bivisor-epoch" value="')[2].partition('"')[0]
    if argv[0] == "--query":
        print(text) if text else sys.exit(105)
    elif argv[0] == "--delete":
        half = "[not(nvpair[@name='bivisor-epoch'][@value!=''])]"
        assert argv[1:] == ["--xpath", "//cluster_property_set[@id='bivisor-lead']" + half], argv
        if text and not value:
            os.unlink(folder + "/set")
    else:
        if argv[0] == "--create" and text:
            sys.exit(108)
        if argv[0] == "--modify" and "[@value='" + value + "']" not in argv[2]:
            sys.exit(105)
        open(folder + "/set", "w").write(sys.stdin.read())
"""

_CRM_NODE = """\
#!{python} -IS
print(1 if open({folder!r} + "/mode").read() == "quorate" else 0)
"""


class SmallCib:
    """The programs, in `sbin`; `mode` is quorate, alone (no quorum) or off."""

    def __init__(self, folder: Path) -> None:
        """Begin with a ring where nobody ever led."""
        self.sbin = folder / "sbin"
        self.folder = folder / "cib"
        self.sbin.mkdir()
        self.folder.mkdir()
        self.mode("quorate")
        for name, text in (("cibadmin", _CIBADMIN), ("crm_node", _CRM_NODE)):
            path = self.sbin / name
            path.write_text(text.format(python=sys.executable, folder=str(self.folder)))
            path.chmod(0o755)

    def write(self, *pairs: str) -> None:
        """Leave the set as somebody writes it by hand, with these nvpairs."""
        (self.folder / "set").write_text(f'<cluster_property_set id="bivisor-lead">{"".join(pairs)}</cluster_property_set>')

    def mode(self, mode: str) -> None:
        """Let the ring be so from now on."""
        (self.folder / "mode").write_text(mode)
