"""The options of `bivisor run` by which it follows a branch of a git repository, and what they mean together."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import saved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.git_source import Following

HALF_A_MINUTE = "30s"

Git = Annotated[
    str,
    typer.Option(
        "--git",
        metavar="URL",
        help="Follow a branch of this git repository instead of a folder.",
        envvar="BIVISOR_GIT",
        show_envvar=True,
        show_default=False,
    ),
]
Branch = Annotated[str, typer.Option("--branch", metavar="NAME", help="The branch that is followed, else main.")]
InRepository = Annotated[
    str, typer.Option("--path", metavar="FOLDER", help="The folder of the documents in the repository, else desired.")
]
Every = Annotated[str, typer.Option("--every", metavar="TIME", help=f"How often it is fetched, else {HALF_A_MINUTE}.")]
Verify = Annotated[
    Path | None,
    typer.Option(
        "--verify-signatures",
        metavar="FILE",
        help="Take only commits that are signed by one of these: exported OpenPGP keys, or allowed signers of ssh-keygen.",
    ),
]
Rewind = Annotated[bool, typer.Option("--allow-rewind", help="Take a commit that does not descend from what is in force, too.")]
SecretsFolder = Annotated[
    Path | None,
    typer.Option("--secrets", metavar="DIR", help="A folder here that stands as secrets beside the documents' folder."),
]


def following(url: str, others: Mapping[str, object], *, desired: bool) -> Following | None:
    """Return what is to be followed; None without a URL. Raises typer.BadParameter.

    `others` are the other options by their names; `desired` tells whether a folder was named on the command line.
    """
    given = {name: value for name, value in others.items() if value}
    if not url:
        if given:
            raise typer.BadParameter(
                "says how a branch is followed: name its repository with --git", param_hint=next(iter(given))
            )
        return None
    if desired:
        raise typer.BadParameter(
            "does not go with --git: name the folder within the repository with --path", param_hint="--desired"
        )
    from reconciler.git_remote import Remote  # noqa: PLC0415 - keeps --help fast
    from reconciler.git_signers import Signers  # noqa: PLC0415 - as above
    from reconciler.git_source import Following  # noqa: PLC0415 - as above

    try:
        remote = Remote.of(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--git") from None
    every_s = saved.age(str(given.get("--every", HALF_A_MINUTE)), "--every").total_seconds()
    if every_s < 1:
        raise typer.BadParameter("is at least 1s", param_hint="--every")
    path, signers, secrets = _path(str(given.get("--path", saved.HERE))), others["--verify-signatures"], others["--secrets"]
    if secrets is not None and path == ".":
        raise typer.BadParameter("stands beside the folder of the documents: have one, by --path", param_hint="--secrets")
    if isinstance(secrets, Path) and not secrets.is_dir():  # else each Secret is told to be missing, and none why
        what = "is a file, not a folder" if secrets.exists() else "no such folder"
        raise typer.BadParameter(
            f"{secrets.absolute()}: {what}: name the one that holds the secrets' files", param_hint="--secrets"
        )
    return Following(
        remote=remote,
        branch=str(given.get("--branch", "main")),
        path=path,
        every_s=every_s,
        signers=Signers(signers) if isinstance(signers, Path) else None,
        rewind=bool(given.get("--allow-rewind")),
        secrets=secrets if isinstance(secrets, Path) else None,
    )


def _path(told: str) -> str:
    path = PurePosixPath(told)
    if path.is_absolute() or ".." in path.parts:
        raise typer.BadParameter("is a folder within the repository, such as cloud/desired", param_hint="--path")
    return str(path)
