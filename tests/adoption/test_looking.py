"""Looking at a whole cloud: answers raise further questions, half a look writes nothing, and mistakes are told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.adopt import OPENSTACK, Login, everything, hosts_of, look
from reconciler.adopted_files import AdoptError
from reconciler.targets import TargetError
from reconciler.targets.fake import FakeTarget
from resources.adoption.questions import host_questions, openstack_questions
from resources.contract import Action, Query, Reply, SecretText, TargetId
from resources.endpoints import OpenStackEndpoint
from tests.adoption.world import World
from tests.kinds.cloud import SECRETS, demo_texts
from tests.targets.small_openstack import REGION, serving
from tests.targets.sshd import Sshd

if TYPE_CHECKING:
    from reconciler.targets import Target
    from resources.adoption.seen import Host, Seen

PROGRAM = Path(sys.executable).with_name("bivisor")


ACCOUNT = {"OS_AUTH_URL": "http://127.0.0.1:1/v3", "OS_USERNAME": "admin", "OS_PASSWORD": "canary-password"}
ACCOUNT["OS_PROJECT_NAME"] = "admin"


class Fakes:
    """Targets that answer as the world does; those in `silent` do not answer."""

    def __init__(self, world: World, silent: tuple[str, ...] = ()) -> None:
        """Know the world."""
        self.targets: dict[TargetId, FakeTarget] = {}
        self._world = world
        self._silent = silent

    def get(self, target: TargetId) -> Target:
        """Return a target, as `Targets` does."""

        def answer(query: Query | Action) -> Reply:
            if target.name in self._silent:
                raise TargetError(target, "no route to host")
            assert isinstance(query, Query)
            return self._world.openstack_reply(query) if target == OPENSTACK else self._world.host_reply(target.name, query)

        return self.targets.setdefault(target, FakeTarget(answer))


async def test_answers_raise_the_next_questions() -> None:
    """What the first answers name is asked for in a few rounds: the same is known as when everything is asked at once."""
    world = World.of(demo_texts(), SECRETS)
    whole = world.seen()
    fakes = Fakes(world)
    seen = await everything(fakes, unasked(whole), whole.account)  # type: ignore[arg-type]
    assert [host.replies.keys() for host in seen.hosts] == [host.replies.keys() for host in whole.hosts]
    assert seen.openstack == whole.openstack
    assert max(len(target.asked) for target in fakes.targets.values()) <= 3
    assert not any(target.done for target in fakes.targets.values())


async def test_half_a_look_is_none() -> None:
    """Every target that does not answer is named, and nothing comes of the others' answers."""
    world = World.of(demo_texts(), SECRETS)
    whole = world.seen()
    with pytest.raises(AdoptError, match=r"half a look:\n  ssh:ctl2: no route to host\n  ssh:vol1: no route to host"):
        await everything(Fakes(world, ("ctl2", "vol1")), unasked(whole), whole.account)  # type: ignore[arg-type]


def unasked(seen: Seen) -> list[Host]:
    """Return the hosts as they are before anybody asks."""
    return [replace(host, replies={}) for host in seen.hosts]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    known = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder), **environment}
    return subprocess.run([PROGRAM, *arguments], cwd=folder, env=known, capture_output=True, text=True, check=False)


def test_a_folder_with_documents_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    """Nothing is overwritten; the message says how to name another folder."""
    (tmp_path / "desired").mkdir()
    (tmp_path / "desired/a.yaml").write_text("")
    done = run(tmp_path, "adopt", "127.0.0.1")
    assert done.returncode == 1
    assert done.stderr == "desired holds documents already, and nothing is overwritten: name another folder with --out DIR\n"


def test_without_an_account_the_ways_to_name_one_are_told(tmp_path: Path) -> None:
    """OpenStack's own tools' ways count: clouds.yaml and the environment."""
    done = run(tmp_path, "adopt", "127.0.0.1")
    assert done.returncode == 1
    assert "--os-cloud" in done.stderr
    assert "OS_AUTH_URL" in done.stderr


def test_an_unreachable_cloud_writes_nothing(tmp_path: Path) -> None:
    """Each host that does not answer is told with the reason, and there is no folder afterwards."""
    done = run(tmp_path, "adopt", "127.0.0.1:1", **ACCOUNT)
    assert done.returncode == 1
    assert "half a look" in done.stderr
    assert "127.0.0.1:1 refuses connections" in done.stderr
    assert "A host that is gone for good is left away" in done.stderr
    assert "those of --os-cloud" in done.stderr
    assert "canary-password" not in done.stdout + done.stderr
    assert not (tmp_path / "desired").exists()
    assert not (tmp_path / "secrets").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_broken_off_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """A host that never answers, and somebody who does not wait for it: no folder, no stack trace."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        known = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path), **ACCOUNT}
        word = f"127.0.0.1:{silent.getsockname()[1]}"
        before = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it; so would the program
        process = subprocess.Popen([PROGRAM, "adopt", word], cwd=tmp_path, env=known, stderr=subprocess.PIPE, text=True)
        signal.signal(number, before)
        connection, _ = silent.accept()
        with connection:  # it waits for the host's first word now
            process.send_signal(number)
            _, told = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert told == "bivisor: interrupted; what was begun on a host is finished there. Run it again to go on.\n"
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["::1"], "an IPv6 address in brackets"),
        (["root:canary@127.0.0.1"], '"127.0.0.1" is no host'),
        (["KVM1=127.0.0.1"], 'no Node can be called "KVM1"'),
        (["127.0.0.1:0"], "0 is no TCP port"),
        (["127.0.0.1", "ops@127.0.0.1:22"], "named twice"),
        (["127.0.0.1", "--name", "My Cloud"], 'no document can be called "My Cloud"'),
        (["127.0.0.1", "--vcenter", "a=h1", "--vcenter", "a=h2"], '"a=h2": two vCenters, or two names of one'),
        (["127.0.0.1", "--vcenter", "My VC=h1"], 'no document can be called "My VC"'),
    ],
)
def test_a_mistake_on_the_command_line_is_told_before_anybody_is_asked(tmp_path: Path, words: list[str], told: str) -> None:
    """With what would be right; and nothing that may be a password is repeated."""
    done = run(tmp_path, "adopt", *words, **ACCOUNT)
    assert done.returncode == 1
    assert told in " ".join(done.stderr.split())
    assert "canary" not in done.stderr


def test_secrets_of_another_cloud_are_seen_before_anybody_is_asked(tmp_path: Path) -> None:
    """Another folder of documents beside the same secrets is no way out: the message names one that is."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/keystone-admin.yaml").write_text("")
    done = run(tmp_path, "adopt", "127.0.0.1", "--out", "other", **ACCOUNT)
    assert done.returncode == 1
    assert done.stderr.startswith("secrets holds the secrets of a cloud already")
    assert "--out OTHER/desired" in done.stderr


async def test_a_host_is_trusted_as_it_is_seen_and_asked(tmp_path: Path) -> None:
    """Over a real SSH connection: the key that was seen is pinned from then on, and every question has an answer."""
    login = Login(user="root", port=22, key_file=str(tmp_path / "id"), accept=True)
    async with Sshd(tmp_path) as sshd:
        with serving() as cloud:
            secret = SecretText(cloud.password)
            account = OpenStackEndpoint(
                OPENSTACK, f"{cloud.url}/identity/v3", REGION, "admin", secret, "admin", "Default", "Default"
            )
            seen = await look(hosts_of([f"127.0.0.1:{sshd.port}"], login), account, login)
        (host,) = seen.hosts
        assert sshd.host_key.export_public_key().decode().startswith(host.host_key)
    assert host.hostname == os.uname().nodename
    assert host_questions(host) == ()
    assert openstack_questions(seen.openstack) == ()
