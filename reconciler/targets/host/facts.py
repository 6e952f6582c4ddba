"""The query `host.facts`."""

import os
import pwd
import sys

from reconciler.targets.host.inventory import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.targets.host.serve import Batch


def host_facts(_args: "dict[str, Any]", _batch: "Batch") -> "dict[str, Any]":
    """Answer `host.facts`."""
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "hostname": os.uname().nodename,
        "boot_id": boot_id(),
        "user": pwd.getpwuid(os.geteuid()).pw_name,
    }
