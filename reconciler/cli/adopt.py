"""`bivisor adopt`: read a running cloud, write the documents that say so, and show what a plan would still do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.adopt import Login
    from reconciler.adopted_files import Drafted
    from reconciler.core.plan import Plan
    from resources.adoption.whole import Choices

NAME = "adopt"

_WITHOUT_SETTINGS = (
    "Until that is mended, options beyond those that Bivisor decides are in no document: what such a file says otherwise than "
    "Bivisor would is a line of the plan, and belongs into settings if it shall stay."
)


def run(
    hosts: Annotated[
        list[str], typer.Argument(metavar="HOST...", help="[NAME=][USER@]ADDRESS[:PORT], all hosts of the cloud.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder of the documents; it must hold none yet.")] = Path("desired"),
    name: Annotated[str, typer.Option("--name", help="What the Cluster is called, if not as its ring.")] = "",
    os_cloud: Annotated[
        str,
        typer.Option(
            "--os-cloud", help="The cloud's name in clouds.yaml; without it OS_CLOUD or OS_AUTH_URL, OS_USERNAME, … count."
        ),
    ] = "",
    vcenter: Annotated[
        list[str] | None,
        typer.Option("--vcenter", metavar="NAME=HOST[:PORT]", help="What the vCenter at HOST is called; else vc1, vc2, …"),
    ] = None,
    user: Annotated[str, typer.Option("--user", help="Account on the hosts, where HOST names none.")] = "root",
    port: Annotated[int, typer.Option("--port", help="TCP port of sshd, where HOST names none.")] = 22,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="Private key; without it the agent's and your own.")
    ] = None,
    accept_host_keys: Annotated[
        bool, typer.Option("--accept-host-keys", help="Trust the host keys that are seen now, and write them down.")
    ] = False,
) -> None:
    """Write the documents of a cloud that runs already. Changes nothing on it, and overwrites nothing here.

    Secrets that the hosts' files hold become files of mode 0600 in a folder secrets/ beside the documents. Comments say
    what was guessed. Then a plan shows what Bivisor would still change, each line with the reason.
    """
    from reconciler.adopt import Login  # noqa: PLC0415 - keeps --help fast
    from resources.adoption.whole import Choices  # noqa: PLC0415 - as above

    key = str(key_file.expanduser().resolve()) if key_file else ""
    login = Login(user=user, port=port, key_file=key, accept=accept_host_keys)
    ssh = {"user": user, "port": port, "keyFile": _beside(key, out) if key else None}
    choices = Choices(
        name=_fit(name, "--name"), vcenters=_vcenters(vcenter or []), ssh={one: value for one, value in ssh.items() if value}
    )
    raise typer.Exit(session.run(_adopt(hosts, out, os_cloud, login, choices)))


async def _adopt(words: list[str], out: Path, os_cloud: str, login: Login, choices: Choices) -> int:
    from reconciler import adopt, adopted_files  # noqa: PLC0415 - keeps --help fast
    from reconciler.targets import TargetError  # noqa: PLC0415 - as above
    from reconciler.targets.openstack_account import account  # noqa: PLC0415 - as above

    adopted_files.refuse_taken(out)
    hosts = adopt.hosts_of(words, login)
    try:
        admin = account(adopt.OPENSTACK, os_cloud)
    except TargetError as error:
        raise adopted_files.AdoptError(error.reason) from error
    seen = await adopt.look(hosts, admin, login)
    done = adopt.drafted(seen, choices, out)
    written = adopted_files.write(done, out)
    press = session.press()
    for line in _told(done, written, accepted=login.accept):
        print(line)
    missing = adopted_files.unwritten(done, out)
    if missing:
        print(f"\nNobody said what belongs into these files; write them: {', '.join(map(str, missing))}")
    if missing or done.problem:
        print(f"\nThese documents are not whole yet. Then look: bivisor plan --desired {_quoted(out)}")
        if done.problem:
            print(f"{done.problem}\n{_WITHOUT_SETTINGS}")
        return 1
    return await _remaining(out, press)


async def _remaining(out: Path, press: session.Press) -> int:
    """Show what a plan would still do, and why; what was written is read again for that, as any command does."""
    from reconciler.core.render import plan_lines  # noqa: PLC0415 - keeps --help fast
    from reconciler.core.status import exit_code  # noqa: PLC0415 - as above

    print()
    async with session.session(out) as cloud:
        look = await cloud.look()
    press.print(plan_lines(look.plan, press.paper))
    reasons = _reasons(look.plan).items()
    if reasons:
        print("\nWhy these lines remain:")
        for reason, addresses in reasons:
            print(f"  {reason}")
            for address in addresses:
                print(f"    {address}")
        print(f"\nNothing was changed. Read {out}, then carry out what is right: bivisor apply --desired {_quoted(out)}")
    return exit_code(look.plan)


def _quoted(folder: Path) -> str:
    """Return the folder as it is typed behind an option."""
    from shlex import quote  # noqa: PLC0415 - not needed for help

    return quote(str(folder))


def _told(done: Drafted, written: list[Path], *, accepted: bool) -> Iterator[str]:
    from resources.adoption.text import printable  # noqa: PLC0415 - keeps --help fast

    yield f"Written: {', '.join(map(str, written))}"
    guesses = [(one, path, note) for one in done.draft.documents for path, note in one.notes.items()]
    yield f"{len(guesses)} comments in them say what was guessed and what to look at."
    if accepted:
        yield "The hosts' keys were trusted as they were seen: compare them with the hosts' own before you rely on them."
    if done.draft.left_out:
        yield "\nNot in the documents:"
        yield from (f"  - {printable(sentence)}" for sentence in done.draft.left_out)


def _reasons(plan: Plan) -> dict[str, list[str]]:
    """Return for each reason the addresses of the lines that it explains; why something is unknown, the plan tells itself."""
    from reconciler.core.plan import STALE  # noqa: PLC0415 - keeps --help fast
    from resources.adoption.remains import why  # noqa: PLC0415 - as above

    found: dict[str, list[str]] = {}
    for step in plan.steps:
        for reason in why(step.address.type, step.changes, reads=bool(step.reasons) and STALE not in step.reasons):
            found.setdefault(reason, []).append(str(step.address))
    return found


def _vcenters(words: list[str]) -> dict[str, str]:
    """Return names by host. Raises typer.BadParameter."""
    found: dict[str, str] = {}
    for word in words:
        name, sign, host = word.partition("=")
        if not (name and sign and host):
            raise typer.BadParameter(f'write NAME=HOST, not "{word}"', param_hint="--vcenter")
        if name in found.values() or host in found:
            raise typer.BadParameter(f'"{word}": two vCenters, or two names of one', param_hint="--vcenter")
        found[host] = _fit(name, "--vcenter")
    return found


def _fit(name: str, option: str) -> str:
    """Return a name that a document can have. Raises typer.BadParameter."""
    from resources.adoption.draft import is_name  # noqa: PLC0415 - keeps --help fast

    if name and not is_name(name):
        raise typer.BadParameter(f'no document can be called "{name}": write a-z, 0-9 and -', param_hint=option)
    return name


def _beside(key: str, out: Path) -> str:
    """Return the key's path as a document in the folder says it: relative where it is near."""
    folder = Path(os.path.normpath(out.absolute()))  # links are not followed: documents are read by that path as well
    return os.path.relpath(key, folder) if Path(key).is_relative_to(folder.parent) else key
