"""Run programs, within a limit of time, and with nothing left of them."""

import _signal as signal  # type: ignore[import-not-found] # the C half: `signal` itself loads `enum`
import os
import time

from reconciler.targets.host.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Output = tuple[int, str, str]

QUERY_S = 12
"""Seconds that a program may take that only asks."""

SHORTEST_S = 0.001
"""Seconds; a timer that is set to none at all never rings."""

NO_SUCH_PROGRAM = 127

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_SUSPEND": "1",
    "SYSTEMD_PAGER": "",
    # else each enabling of a service that has a System V script as well runs update-rc.d: seconds of Perl
    "SYSTEMCTL_SKIP_SYSV": "1",
}


class Expired(Exception):  # noqa: N818 - it never leaves this program
    """The alarm went off."""


class Alarm:
    """Within the block, Expired is raised after `seconds`, whatever system call is waiting.

    Meanwhile `between`, if there is one, is called again and again; it returns after how many seconds next. Whoever has to
    give a sign of life does it there, for nothing else runs while a program is waited for.
    """

    between: "Callable[[], float] | None" = None

    def __init__(self, seconds: int) -> None:
        """Know the seconds."""
        self.seconds = seconds
        self.end = 0.0

    def __enter__(self) -> None:
        """Set the alarm."""
        self.end = time.monotonic() + self.seconds
        signal.signal(signal.SIGALRM, self._ring)
        self._set()

    def __exit__(self, *_: object) -> None:
        """Clear it."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _set(self) -> None:
        rest, between = self.end - time.monotonic(), Alarm.between
        signal.setitimer(signal.ITIMER_REAL, max(min(rest, between() if between else rest), SHORTEST_S))

    def _ring(self, _number: int, _frame: object) -> None:
        if time.monotonic() >= self.end:
            raise Expired
        self._set()


def checked(argv: "Sequence[str]", stdin: bytes = b"", timeout_s: int = QUERY_S) -> str:
    """Return the output of a program. Raises Refusal with its own words when it fails."""
    code, out, err = run(argv, stdin=stdin, timeout_s=timeout_s)[0]
    if code:
        raise Refusal("failed", f"{argv[0]}: {last_lines(err or out) or f'exit code {code}'}")
    return out


def run(*commands: "Sequence[str]", stdin: bytes = b"", timeout_s: int = QUERY_S) -> "list[Output]":
    """Run programs side by side; return exit code, output and error text of each (127: no such program).

    Raises Refusal when they take longer than `timeout_s`; all of them are killed then.
    """
    children = [_spawn(argv, stdin) for argv in commands]
    try:
        with Alarm(timeout_s):
            codes = [os.waitpid(pid, 0)[1] for pid, _, _ in children]
    except Expired:
        for pid, _, _ in children:
            _kill(pid)
        raise Refusal("failed", f"{commands[0][0]} had not ended after {timeout_s} s") from None
    else:
        return [(_exit_code(code), _text(out), _text(err)) for code, (_, out, err) in zip(codes, children)]
    finally:
        for _, out, err in children:
            os.close(out)
            os.close(err)


def last_lines(text: str) -> str:
    """Return the end of a program's output as one line."""
    return "; ".join(line.strip() for line in text.strip().splitlines()[-4:])


def anonymous_file(content: bytes = b"") -> int:
    """Return a descriptor of a file without a name: nobody has to remove it."""
    fd = os.memfd_create("bivisor") if hasattr(os, "memfd_create") else _nameless_file()
    write_all(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _nameless_file() -> int:
    return os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR, 0o600)  # noqa: S108 - it gets no name there


def write_all(fd: int, content: bytes) -> None:
    """Write everything."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _spawn(argv: "Sequence[str]", stdin: bytes) -> "tuple[int, int, int]":
    source, out, err = anonymous_file(stdin), anonymous_file(), anonymous_file()
    pid = os.fork()
    if not pid:
        try:
            for number, fd in enumerate((source, out, err)):
                os.dup2(fd, number)
            os.setsid()  # signals for our own group do not reach it
            for ignored in (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT):
                signal.signal(ignored, signal.SIG_DFL)
            for folder in ENVIRONMENT["PATH"].split(":"):  # os.execvpe would load `warnings`
                if os.access(f"{folder}/{argv[0]}", os.X_OK):
                    os.execve(f"{folder}/{argv[0]}", list(argv), ENVIRONMENT)  # noqa: S606 - what this module is for
        finally:
            os._exit(NO_SUCH_PROGRAM)
    os.close(source)
    return pid, out, err


def _exit_code(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _text(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "replace")


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except OSError:
        pass  # it has ended in the meantime
