"""The ssh target against a real SSH server that runs the real helper, and what it says when something is in the way."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from reconciler.targets import TargetError, ssh_connection
from reconciler.targets.host.commands import QUERY_S
from reconciler.targets.host.pacemaker_changes import PUSH_S
from reconciler.targets.host.package_changes import INSTALL_S, SIMULATE_S
from reconciler.targets.host.serve import ACTIONS, LOCK_S
from reconciler.targets.host.service_changes import JOB_S
from reconciler.targets.ssh import _limit_s
from reconciler.targets.ssh_connection import ConnectGate
from resources.contract import Action, Query, Reply
from tests.drive.test_aside import told

if TYPE_CHECKING:
    from reconciler.targets import Target
    from tests.targets.sshd import Connect, Sshd

ROOT = Query("file.stat", {"path": "/"})


async def refusal(target: Target) -> TargetError:
    """Ask, and return why there was no answer."""
    with pytest.raises(TargetError) as refused:
        await target.ask((ROOT,))
    return refused.value


def threads() -> set[threading.Thread]:
    """Return those that read something aside; others' may hang yet."""
    return {thread for thread in threading.enumerate() if thread.name == "aside"}


async def test_replies_in_order(connect: Connect) -> None:
    """Questions come back answered, in their order."""
    replies = await connect().ask((ROOT, Query("file.stat", {"path": "/none"}), Query("no.such", {})))
    assert [reply.ok for reply in replies] == [True, True, False]
    assert (replies[0].data["kind"], replies[1].data, replies[2].code) == ("dir", {"exists": False}, "unsupported")


async def test_nothing_asked_costs_nothing(connect: Connect, sshd: Sshd) -> None:
    """No question, no connection."""
    assert await connect().ask(()) == ()
    assert sshd.connections == 0


async def test_no_change_is_the_same_object(connect: Connect, sshd: Sshd) -> None:
    """When nothing has changed, the very tuple of last time comes back, for a few bytes on the wire in one round trip."""
    target = connect()
    path = sshd.folder / "a"
    asked = (Query("file.read", {"path": str(path)}), ROOT)
    first = await target.ask(asked)
    sshd.heard.clear()
    assert await target.ask([Query("file.read", {"path": str(path)}), ROOT]) is first
    assert sshd.heard == [b'{"id":2,"again":0}\n']
    path.write_text("now")
    changed = await target.ask(asked)
    assert (changed[0].data["text"], changed is first) == ("now", False)
    assert await target.ask(asked) is changed


async def test_several_askers_are_remembered(connect: Connect, sshd: Sshd) -> None:
    """A host that is asked for itself and for its cluster in turn still answers both in a word."""
    target = connect()
    lists = [(ROOT,), (Query("file.stat", {"path": "/etc"}),), (Query("file.stat", {"path": "/tmp"}),)]  # noqa: S108 - only looked at
    first = [await target.ask(asked) for asked in lists]
    sshd.heard.clear()
    assert all([await target.ask(asked) is replies for asked, replies in zip(lists, first, strict=True)])
    assert all(b"again" in line for line in sshd.heard)


async def test_more_askers_than_are_remembered(connect: Connect) -> None:
    """However many lists of questions there are, each gets its own answers."""
    target = connect()
    paths = ["/", "/none", "/etc", "/none/a", "/usr", "/none/b", "/bin"]
    for _ in range(3):
        for path in paths:
            (reply,) = await target.ask((Query("file.stat", {"path": path}),))
            assert reply.data["exists"] is not path.startswith("/none")


async def test_actions(connect: Connect, sshd: Sshd) -> None:
    """An action is done and told; one that fails is a reply."""
    target, path = connect(), sshd.folder / "a"
    write = Action("file.write", {"path": str(path), "text": "ours", "if_digest": None})
    assert await target.do(write) == Reply({})
    assert path.read_text() == "ours"
    assert (await target.do(write)).code == "conflict"


async def test_one_connection_serves_all(connect: Connect, sshd: Sshd) -> None:
    """Many askers at the same time share one connection, and each gets the answers to its own questions."""
    target = connect()
    paths = ["/", "/none"] * 20
    replies = await asyncio.gather(*(target.ask((Query("file.stat", {"path": path}),)) for path in paths))
    assert [reply.data["exists"] for (reply,) in replies] == [True, False] * 20
    assert sshd.connections == 1


async def test_a_wrong_host_key_is_refused(connect: Connect, sshd: Sshd) -> None:
    """Another key than the declared one: both fingerprints and what to do; trying again is no use."""
    other = asyncssh.generate_private_key("ssh-ed25519")
    error = await refusal(connect(host_key=other.export_public_key().decode()))
    assert not error.retry
    assert sshd.host_key.get_fingerprint() in error.reason
    assert other.get_fingerprint() in error.reason
    assert "declare its new key" in error.reason
    assert sshd.heard == []


async def test_a_host_key_of_another_type_is_refused(connect: Connect) -> None:
    """A declared key of a type that the host does not have is no reason to take another."""
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    error = await refusal(connect(host_key=other.export_public_key().decode()))
    assert not error.retry
    assert "has no ecdsa-sha2-nistp256 host key" in error.reason


async def test_an_unknown_host_is_refused(connect: Connect, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a declared key, known_hosts decides, as strictly, and the message tells the key to declare."""
    monkeypatch.setenv("HOME", str(sshd.folder))
    error = await refusal(connect(host_key=""))
    assert not error.retry
    assert sshd.host_key.get_fingerprint() in error.reason
    public = sshd.host_key.export_public_key().decode()
    (sshd.folder / ".ssh").mkdir()
    (sshd.folder / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {public}")
    assert (await connect(host_key="").ask((ROOT,)))[0].ok


async def test_nonsense_as_host_key_is_said(connect: Connect) -> None:
    """A declared host key that is none is told as such."""
    assert "the declared host key cannot be read" in (await refusal(connect(host_key="ssh-ed25519 nonsense"))).reason


async def test_who_is_not_let_in_is_told_so(connect: Connect, sshd: Sshd) -> None:
    """A client key that the host does not know: which user, which key, where to add it."""
    other = sshd.folder / "other"
    other.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    error = await refusal(connect(key_file=str(other)))
    assert not error.retry
    assert str(other) in error.reason
    assert "/root/.ssh/authorized_keys" in error.reason


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"nonsense", "cannot be read")])
async def test_a_client_key_that_cannot_be_read(connect: Connect, sshd: Sshd, content: bytes | None, words: str) -> None:
    """A key file that is missing or none is told with its path."""
    path = sshd.folder / "broken"
    if content is not None:
        path.write_bytes(content)
    error = await refusal(connect(key_file=str(path)))
    assert (error.retry, str(path) in error.reason, words in error.reason) == (False, True, True)


async def test_a_client_key_that_hangs_holds_up_nobody_else(connect: Connect, sshd: Sshd) -> None:
    """A pipe stands for a file of a mount that hangs: the loop goes on, here by writing the key."""
    pipe = sshd.folder / "pipe"
    os.mkfifo(pipe)
    asking = asyncio.create_task(connect(key_file=str(pipe)).ask((ROOT,)))
    await told(pipe, sshd.client_key.export_private_key().decode())
    assert (await asking)[0].ok


async def test_a_client_key_that_hangs_is_told_as_such(connect: Connect, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is sent to a host that is well: the file is named, and what to look at."""
    monkeypatch.setattr(ssh_connection, "KEY_S", 0.2)
    pipe = sshd.folder / "pipe"
    os.mkfifo(pipe)
    error = await refusal(connect(key_file=str(pipe)))
    why = f"the private key {pipe} is not read within 0 s: does its file system answer?"
    assert (error.retry, error.reason, sshd.connections) == (True, why, 0)


async def test_a_client_key_that_hangs_takes_no_place_at_the_gate(connect: Connect, sshd: Sshd) -> None:
    """A gate that lets one in at a time: a host of another key comes through while the first still waits for its file."""
    pipe, gate, before = sshd.folder / "pipe", ConnectGate(at_once=1), threads()
    os.mkfifo(pipe)
    hanging = asyncio.create_task(connect(key_file=str(pipe), gate=gate).ask((ROOT,)))
    async with asyncio.timeout(ssh_connection.KEY_S / 2):
        while threads() <= before:  # noqa: ASYNC110 - threads tell nobody
            await asyncio.sleep(0)
        assert (await connect(gate=gate).ask((ROOT,)))[0].ok
    assert not hanging.done()
    await told(pipe, sshd.client_key.export_private_key().decode())
    assert (await hanging)[0].ok


async def test_hosts_of_one_key_wait_for_one_reading(sshd: Sshd) -> None:
    """While a file hangs there is one thread that waits for it, however many hosts are tried, and however often."""
    pipe, before = sshd.folder / "pipe", threads()
    os.mkfifo(pipe)
    gate = ConnectGate()
    for _ in range(5):
        asking = [asyncio.create_task(gate.options("root", str(pipe))) for _ in range(3)]
        await asyncio.sleep(0)
        for each in asking:
            each.cancel()
        await asyncio.wait(asking)
    assert len(threads() - before) == 1
    last = asyncio.create_task(gate.options("root", str(pipe)))
    await told(pipe, sshd.client_key.export_private_key().decode())
    assert (await last).username == "root"


@pytest.mark.parametrize("content", [b"@no-such-mark host\n", b"a-host-without-a-key\n", b"\xff\xfe\n"])
async def test_an_unreadable_known_hosts_file_is_told(
    connect: Connect, sshd: Sshd, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bad line in a person's own file is that host's trouble, with words, and not the end of the program."""
    monkeypatch.setenv("HOME", str(sshd.folder))
    (sshd.folder / ".ssh").mkdir()
    (sshd.folder / ".ssh/known_hosts").write_bytes(content)
    error = await refusal(connect(host_key=""))
    assert (error.retry, "your known_hosts file cannot be read" in error.reason) == (False, True)


@pytest.mark.parametrize("address", ["kvm1..example", "a" * 64, "."])
async def test_what_can_be_no_name(connect: Connect, address: str) -> None:
    """A name that cannot exist is told as such, once and for all."""
    error = await refusal(connect(address=address))
    assert (error.retry, error.reason) == (False, f'"{address}" can be no name of a host')


async def test_a_client_key_with_a_passphrase(connect: Connect, sshd: Sshd) -> None:
    """Nobody can type a passphrase here: the agent can."""
    path = sshd.folder / "locked"
    path.write_bytes(sshd.client_key.export_private_key("pkcs8-pem", "x"))
    assert "load it into an agent" in (await refusal(connect(key_file=str(path)))).reason


async def test_nobody_listens(connect: Connect) -> None:
    """A closed port is told at once, and may be open the next time."""
    with_nobody = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = with_nobody.sockets[0].getsockname()[1]
    with_nobody.close()
    await with_nobody.wait_closed()
    error = await refusal(connect(port=port))
    assert (error.retry, error.reason) == (True, f"127.0.0.1:{port} refuses connections: does sshd run there?")


async def test_silence_has_a_limit(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that takes the connection and says nothing is given up after the limit."""
    monkeypatch.setattr(ssh_connection, "CONNECT_S", 0.2)
    done = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        error = await refusal(connect(port=server.sockets[0].getsockname()[1]))
        done.set()
    assert (error.retry, "does not answer within" in error.reason) == (True, True)


async def test_two_who_wait_for_a_silent_host_wait_once(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host and the cluster that it speaks for are asked at the same time: the time-out is not spent on each in turn."""
    monkeypatch.setattr(ssh_connection, "CONNECT_S", 0.2)
    done, knocks = asyncio.Event(), []

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(writer)
        await done.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        target = connect(port=server.sockets[0].getsockname()[1])
        first, second = await asyncio.gather(refusal(target), refusal(target))
        assert (len(knocks), first.reason) == (1, second.reason)
        await refusal(target)
        done.set()
    assert len(knocks) == len([first, second]), "who comes later tries again"


async def test_a_handshake_that_is_broken_off_is_begun_again(connect: Connect, sshd: Sshd) -> None:
    """A daemon drops newcomers when many knock at once: a few more attempts are made, not more."""
    sshd.refuse = ssh_connection.ATTEMPTS - 1
    assert (await connect().ask((ROOT,)))[0].ok
    sshd.refuse = ssh_connection.ATTEMPTS
    error = await refusal(connect())
    assert (error.retry, "breaks the connection off" in error.reason) == (True, True)


async def test_a_shell_that_talks_does_no_harm(connect: Connect, sshd: Sshd) -> None:
    """What a login shell prints before the helper speaks is passed over."""
    sshd.rewrite = lambda command: f"echo Welcome; echo; {command}"
    assert (await connect().ask((ROOT,)))[0].ok


async def test_no_python(connect: Connect) -> None:
    """A host without python3 is told what to install."""
    error = await refusal(connect(python="python3-that-is-not-there"))
    assert (error.retry, "the host has no python3: install it" in error.reason) == (False, True)


async def test_a_shell_that_is_gone_before_anything_is_said_to_it(connect: Connect, sshd: Sshd) -> None:
    """What a shell says before it ends is told, also where it ends sooner than the helper is sent."""
    sshd.missing = b"sh: 1: exec: python3: not found\n"
    error = await refusal(connect())
    assert (error.retry, "the host has no python3: install it" in error.reason) == (False, True)


async def test_python_too_old(connect: Connect, sshd: Sshd) -> None:
    """A Python before 3.6 is told with its version."""
    sshd.rewrite = lambda command: command.replace("(3,6)", "(9,9)")
    error = await refusal(connect())
    version = ".".join(map(str, sys.version_info[:3]))
    assert (error.retry, error.reason) == (False, f"python3 on the host is {version}; the host helper needs 3.6 or newer")


async def test_a_user_who_is_not_root_works_through_sudo(connect: Connect, sshd: Sshd) -> None:
    """The helper of an ordinary user is started by `sudo -n`."""
    sshd.program("sudo", 'printf "%s\\n" "$1" > "$HOME/sudo-was-asked"; shift; exec "$@"')
    assert (await connect(user="ops").ask((ROOT,)))[0].ok
    assert (sshd.folder / "sudo-was-asked").read_text() == "-n\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'sudo: a password is required' >&2; exit 1", "ops ALL=(root) NOPASSWD: /usr/bin/python3"),
        ("echo 'Sorry, user ops is not allowed to execute it.' >&2; exit 1", 'put "ops ALL=(root) NOPASSWD'),
        ("echo 'sudo: python3: command not found' >&2; exit 1", "the host has no python3"),
        ("echo 'sh: 1: sudo: not found' >&2; exit 127", "the host has no sudo"),
        ("echo 'bash: line 1: sudo: command not found' >&2; exit 127", "the host has no sudo"),
        ("echo 'something else' >&2; exit 3", "does not start (exit code 3): something else"),
    ],
)
async def test_what_stands_between_a_user_and_root(connect: Connect, sshd: Sshd, script: str, words: str) -> None:
    """Each way in which sudo may refuse has its own remedy."""
    sshd.program("sudo", script)
    error = await refusal(connect(user="ops"))
    assert not error.retry
    assert words in error.reason


async def test_a_lost_connection_is_made_again(connect: Connect, sshd: Sshd) -> None:
    """Questions after a lost connection are answered over a new one, in full."""
    target = connect()
    first = await target.ask((ROOT,))
    sshd.drop_connections()
    second = await target.ask((ROOT,))
    assert ([reply.data for reply in second], sshd.connections) == ([reply.data for reply in first], 2)


async def test_a_helper_that_dies_is_started_again(connect: Connect, sshd: Sshd) -> None:
    """Questions are asked once more when the helper was killed under them; nobody notices."""
    target = connect()
    await target.ask((ROOT,))
    sshd.signal(signal.SIGKILL)
    assert (await target.ask((ROOT,)))[0].ok


async def test_an_action_that_nobody_heard_the_end_of(connect: Connect, sshd: Sshd) -> None:
    """A connection lost during an action: it is unknown whether it was done, and so it is said. It is completed."""
    target, path = connect(), sshd.folder / "a"
    await target.ask((ROOT,))
    (sshd.folder / "state").mkdir()
    with (sshd.folder / "state/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        doing = asyncio.create_task(target.do(Action("directory.make", {"path": str(path)})))
        await sshd.until_heard(b'"do":["directory.make"')
        sshd.drop_connections()
        with pytest.raises(TargetError, match="unknown whether it was done") as lost:
            await doing
        assert lost.value.retry
        assert (await target.ask((ROOT,)))[0].ok  # meanwhile, questions go through a new helper
    await sshd.running[0].wait()
    assert path.is_dir()


async def test_a_cancelled_question_leaves_no_mess(connect: Connect, sshd: Sshd) -> None:
    """After a cancelled question, the next one gets its own answer and not the late one."""
    target = connect()
    await target.ask((ROOT,))
    sshd.signal(signal.SIGSTOP)
    asking = asyncio.create_task(target.ask((Query("file.stat", {"path": "/none"}),)))
    await sshd.until_heard(b"/none")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    sshd.signal(signal.SIGCONT)
    for _ in range(3):
        (reply,) = await target.ask((ROOT,))
        assert reply.data["kind"] == "dir"
        (reply,) = await target.ask((Query("file.stat", {"path": "/none"}),))
        assert reply.data == {"exists": False}


async def test_a_cancelled_action_leaves_no_mess(connect: Connect, sshd: Sshd) -> None:
    """Who gives up waiting for an action can go on asking; the helper completes it."""
    target, path = connect(), sshd.folder / "a"
    await target.ask((ROOT,))
    sshd.signal(signal.SIGSTOP)
    doing = asyncio.create_task(target.do(Action("directory.make", {"path": str(path)})))
    await sshd.until_heard(b'"do":["directory.make"')
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert (await target.ask((ROOT,)))[0].ok
    sshd.signal(signal.SIGCONT)
    await sshd.running[0].wait()
    assert path.is_dir()


async def test_questions_wait_for_the_action_in_hand(connect: Connect, sshd: Sshd) -> None:
    """A question to a host that is at work waits for its turn and sees what was done."""
    target, path = connect(), sshd.folder / "a"
    await target.ask((ROOT,))
    doing = asyncio.create_task(target.do(Action("directory.make", {"path": str(path)})))
    await asyncio.sleep(0)
    (reply,) = await target.ask((Query("file.stat", {"path": str(path)}),))
    assert (reply.data["exists"], (await doing).ok) == (True, True)


async def test_a_closed_target_stays_closed(connect: Connect, sshd: Sshd) -> None:
    """It can be closed again; whoever still asks it gets no answer, and nothing is opened for that."""
    target = connect()
    await target.ask((ROOT,))
    await target.close()
    await target.close()
    assert "the connection was closed" in (await refusal(target)).reason
    assert sshd.connections == 1


async def test_a_question_in_flight_does_not_open_again_what_is_closed(connect: Connect, sshd: Sshd) -> None:
    """Closed under a question, an old connection is not made anew: the question has no answer."""
    target = connect()
    await target.ask((ROOT,))
    sshd.signal(signal.SIGSTOP)
    asking = asyncio.create_task(target.ask((Query("file.stat", {"path": "/etc"}),)))
    await sshd.until_heard(b"/etc")
    await target.close()
    with pytest.raises(TargetError, match="the connection was closed"):
        await asking
    assert sshd.connections == 1


async def test_what_is_closed_while_it_is_opened_is_not_left_open(connect: Connect, sshd: Sshd) -> None:
    """Closed while it connects, it lets go of the connection as soon as that is there."""
    target = connect()
    asking = asyncio.create_task(target.ask((ROOT,)))
    await asyncio.sleep(0)
    await target.close()
    with pytest.raises(TargetError, match="the connection was closed"):
        await asking
    assert not sshd.heard
    async with asyncio.timeout(20):
        while sshd.open_connections:  # noqa: ASYNC110 - the other side hears of it a moment later
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("op", "args", "takes_s"),
    [
        *((op, {}, LOCK_S + JOB_S + 3 * QUERY_S) for op in ACTIONS if op.startswith(("service.", "systemd."))),
        *((op, {}, LOCK_S + 2 * QUERY_S) for op in ACTIONS if op.startswith(("file.", "directory."))),
        ("package.install", {}, LOCK_S + 3 * INSTALL_S + 2 * SIMULATE_S),
        ("cib.push", {}, PUSH_S + 2 * QUERY_S),
        ("crm.cleanup", {}, PUSH_S),
        ("crm.restart", {"timeout_s": 100}, 100 + 100 + 20 + QUERY_S),
    ],
)
def test_the_helper_is_the_first_to_give_up(op: str, args: dict[str, Any], takes_s: float) -> None:
    """What hangs on a host is told by the host: the controller waits longer than all limits there together."""
    assert _limit_s(Action(op, args)) > takes_s
