"""What a source of desired state tells, kept, and waited for; also as a program, for a process with limits of its own."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.desired_source import DesiredSource, Pace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from reconciler.daemon import Source
    from reconciler.desired import Desired
    from reconciler.folder import Folder

GOOD = (Path(__file__).parents[1] / "rules/good.yaml").read_text()
QUICK = Pace(
    quiet=0.02, glance=0.05, sweep=0.5, unwatched=0.1, patience=0.3, again=0.3, rewatch=0.5, writer=5.0
)  # seconds of a test are longer than those of people
DEADLINE_S = 20.0


class Told:
    """All that was told, in order."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.states: list[Folder] = []
        self._news = asyncio.Event()

    def tell(self, state: Folder) -> None:
        """Keep it."""
        self.states.append(state)
        self._news.set()

    @property
    def now(self) -> Folder:
        """What was told last."""
        return self.states[-1]

    @property
    def desired(self) -> list[Desired]:
        """The trees that were told, each once."""
        found: list[Desired] = []
        for state in self.states:
            if state.desired is not None and not (found and found[-1] is state.desired):
                found.append(state.desired)
        return found

    @property
    def refusals(self) -> list[str]:
        """What was said of trees that were refused."""
        return [str(state.refused) for state in self.states if state.refused is not None]

    async def until(self, wanted: Callable[[Folder], bool]) -> Folder:
        """Return the state of which that is true, as soon as it is the last one."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (self.states and wanted(self.now)):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError([(nodes_of(state), state.conditions) for state in self.states[-3:]]) from None
        return self.now

    async def nodes(self, *names: str) -> Folder:
        """Return the state in which exactly these nodes are declared."""
        return await self.until(lambda state: nodes_of(state) == set(names) and state.refused is None)


def nodes_of(state: Folder) -> set[str]:
    """Return the names of the nodes that are declared."""
    resources = state.desired.loaded.resources if state.desired else {}
    return {key.name for key in resources if key.kind == "Node"}


@asynccontextmanager
async def telling(folder: Path, pace: Pace = QUICK) -> AsyncIterator[tuple[DesiredSource, Told]]:
    """Run a source."""
    told = Told()
    source = DesiredSource(folder, told.tell, pace)
    async with ran(source):
        yield source, told


@asynccontextmanager
async def ran(source: Source) -> AsyncIterator[None]:
    """Run any source meanwhile; it does not end by itself."""
    running = asyncio.create_task(source.run())
    try:
        yield
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


def write_cloud(root: Path) -> Path:
    """Write good documents and the secrets that they name; return the folder of the documents."""
    folder, secrets = root / "desired", root / "secrets"
    folder.mkdir(parents=True)
    secrets.mkdir()
    text = GOOD.replace("{file: account.yaml}", "{file: ../secrets/account.yaml}").replace(
        "{file: text}", "{file: ../secrets/text}"
    )
    (folder / "cloud.yaml").write_text(text)
    (secrets / "account.yaml").write_text("username: admin\npassword: first\n")
    (secrets / "text").write_text(f"rabbit://openstack:{120 * 'x'}@mq")  # long enough for all that it is
    return folder


NODES = ("ctl1", "ctl2", "ctl3", "kvm1", "vol1")
"""The nodes of the good documents."""


def node(name: str) -> str:
    """Return one more document."""
    return f"{{apiVersion: bivisor/v1alpha1, kind: Node, metadata: {{name: {name}}}, spec: {{address: {name}}}}}\n"


async def _program(folder: Path) -> None:
    def tell(state: Folder) -> None:
        print(len(nodes_of(state)), state.unwatched, flush=True)  # noqa: T201 - it is a program

    await DesiredSource(folder, tell, QUICK).run()


if __name__ == "__main__":
    asyncio.run(_program(Path(sys.argv[1])))
