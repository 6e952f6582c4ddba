"""The query about Pacemaker: `cib.read`."""

from reconciler.targets.host.commands import NO_SUCH_PROGRAM, last_lines, run
from reconciler.targets.host.files import content_of
from reconciler.targets.host.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reconciler.targets.host.serve import Batch

SAVED = "/var/lib/pacemaker/cib/cib.xml"
DISCONNECTED = 102
"""Exit code of Pacemaker's tools when its daemon does not answer (CRM_EX_DISCONNECT)."""


class NotRunning(Refusal):
    """Pacemaker does not run here; `data` still tells of its saved configuration."""

    def __init__(self) -> None:
        """Read the saved configuration."""
        Refusal.__init__(self, "not-running", "Pacemaker does not run on this host")
        content = content_of(SAVED)
        self.data = {"saved": None if content is None else content.decode("utf-8", "replace")}


def cib_read(_args: "dict[str, Any]", batch: "Batch") -> "dict[str, Any]":
    """Answer `cib.read`: the configuration, and the state of things.

    Not which node this is: `crm_node --name` asks the controller, which may take a second after a change.
    """
    data: dict[str, Any] = batch.once("cib", _read)
    return data


def _read() -> "dict[str, Any]":
    asked = [["cibadmin", "--query"], ["crm_mon", "-1", "--output-as=xml"]]
    answers = run(*asked)
    if answers[0][0] in (NO_SUCH_PROGRAM, DISCONNECTED):
        raise NotRunning
    for argv, (code, out, err) in zip(asked, answers):
        if code:
            raise Refusal("failed", f"{' '.join(argv)}: {last_lines(err or out) or f'exit code {code}'}")
    cib, mon = (out for _, out, _ in answers)
    return {"cib": cib, "mon": mon}
