"""Whether a commit is signed by somebody who may: by a key of an OpenPGP keyring, or by one that an allowed-signers file names.

Git itself verifies, by gpg and ssh-keygen, and is told to trust nobody else: neither the keyring nor the settings of whoever
runs this count. The file is read anew each time, so that a key that comes or goes counts from then on.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reconciler import git
from reconciler.aside import aside
from reconciler.git_remote import FollowError

VERIFY_S = 60.0
"""How long one signature may take."""

_ARMOUR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PACKET = 0x80
"""An OpenPGP packet begins with this bit set (RFC 9580, 4.2); a text file does not."""


@dataclass(frozen=True, slots=True)
class Signers:
    """The people whose signature counts, as a file tells: exported OpenPGP keys, or `ALLOWED SIGNERS` of ssh-keygen(1)."""

    file: Path

    async def verify(self, clone: Path, commit: str) -> None:
        """Return if one of them signed that commit. Raises FollowError that says why not."""
        # kept short: gpg's agent, where it is begun, has a socket in there
        with TemporaryDirectory(prefix="bivisor-", ignore_cleanup_errors=True) as home:
            options = await aside(self._options, Path(home))
            variables = {"GNUPGHOME": home, "LC_ALL": "C"}
            try:
                answer = await git.ask(
                    "--git-dir", str(clone), *options, "verify-commit", commit, within_s=VERIFY_S, variables=variables
                )
            except TimeoutError:
                raise FollowError("Unverified", f"its signature could not be verified within {VERIFY_S:g} s") from None
        if answer.code:
            raise FollowError(*_why(answer.said, self.file))

    def _options(self, home: Path) -> tuple[str, ...]:
        """Return how git is told whom to trust; a keyring goes into that folder. Raises FollowError."""
        try:
            content = self.file.read_bytes()
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}") from None
        allowed = "/dev/null"
        if _ARMOUR in content or content[:1] >= bytes((_PACKET,)):
            self._import(home)
        else:
            allowed = str(self.file.absolute())
        settings = {
            "gpg.program": "gpg", "gpg.openpgp.program": "gpg", "gpg.x509.program": "false", "gpg.ssh.program": "ssh-keygen",
            "gpg.minTrustLevel": "undefined", "gpg.ssh.allowedSignersFile": allowed,
        }  # fmt: skip
        return tuple(text for name, value in settings.items() for text in ("-c", f"{name}={value}"))

    def _import(self, home: Path) -> None:
        program = shutil.which("gpg")
        if program is None:
            raise FollowError(
                "NoSigners", f"--verify-signatures {self.file}: the program gpg is needed for a keyring: apt-get install gpg"
            )
        (home / "gpg.conf").write_text("trust-model always\n")
        command = [program, "--homedir", str(home), "--batch", "--quiet", "--no-autostart", "--import", str(self.file)]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=VERIFY_S)  # noqa: S603 - no shell
        except subprocess.TimeoutExpired:
            raise self._unusable(f"gpg did not read it within {VERIFY_S:g} s") from None
        if done.returncode:
            said = next(iter(done.stderr.decode(errors="replace").strip().splitlines()[-1:]), "")
            raise self._unusable(f"is no keyring that gpg can read: {said}")

    def _unusable(self, why: str) -> FollowError:
        remedy = "put your signers' keys there, or name another file. Until then nothing counts as signed"
        return FollowError("NoSigners", f"--verify-signatures {self.file}: {why}: {remedy}")


def _why(said: str, file: Path) -> tuple[str, str]:
    """Return reason and message for what git and its helpers said of a signature that does not count."""
    if not said.strip():
        return "Unsigned", "it is not signed: sign it (git commit -S) and push again"
    told = "; ".join(line.strip() for line in said.splitlines()[-3:] if line.isprintable())
    return "Untrusted", f"its signature does not count: {told}: have it signed by somebody whom {file} names, or add them to it"
