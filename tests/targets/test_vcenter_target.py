"""The vcenter target, against a vCenter API that can be told to misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import vim, vmodl

from reconciler.targets import TargetError
from reconciler.targets.vcenter import VCenterTarget
from reconciler.targets.vcenter_inventory import _complete, _references
from reconciler.targets.vcenter_session import HalfAnswerError
from resources.contract import Action, Query, SecretText, TargetId
from resources.endpoints import VCenterEndpoint
from tests.lab.vcenter.certificates import ensure_certificates
from tests.lab.vcenter.process import PASSWORD, Running, Settings, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

VC1 = TargetId("vcenter", "vc1")
CHECK = Query("session.check", {})
FIND = Query("cluster.find", {"name": "DC0_C0"})
STORES = Query("datastores.list", {"cluster": "DC0_C0"})


def endpoint(vcenter: Running, password: str = PASSWORD, **tls: Any) -> VCenterEndpoint:
    """Return how to reach the simulator; with its CA file unless told otherwise."""
    trust = tls or {"ca_file": str(vcenter.settings.certificates.ca)}
    user = vcenter.settings.user
    return VCenterEndpoint(VC1, vcenter.host, vcenter.port, user, SecretText(password), secret="vc1", **trust)  # noqa: S106 - a name


@pytest.fixture
async def target(vcenter: Running) -> AsyncIterator[VCenterTarget]:
    """A target over the simulator, closed at the end."""
    target = VCenterTarget(endpoint(vcenter), deadline_s=20, socket_timeout_s=5)
    yield target
    await target.close()


def thumbprint(vcenter: Running, digest: str) -> str:
    """Return the thumbprint of the simulator's certificate."""
    return hashlib.new(digest, ssl.PEM_cert_to_DER_cert(vcenter.settings.certificates.cert.read_text())).hexdigest()


async def test_one_session_answers_everything(vcenter: Running, target: VCenterTarget) -> None:
    """All questions of an ask share one login and one listing, and the next ask uses the same session."""
    checked, found, stores = await target.ask([CHECK, FIND, STORES])
    assert checked.data["logged_in"] is True
    assert checked.data["about"]["full_name"].startswith("VMware vCenter Server")
    morefs = {cluster.name: cluster.moref for cluster in vcenter.control.state().clusters}
    assert {**found.data, "drs": ""} == {
        "exists": True,
        "moref": morefs["DC0_C0"],
        "matches": 1,
        "hosts": 3,
        "usable_hosts": 3,
        "drs": "",
        "names": {moref: name for name, moref in morefs.items()},
        "instance_uuid": checked.data["about"]["instance_uuid"],
    }
    assert [(store["name"], store["type"], store["accessible"]) for store in stores.data["datastores"]] == [
        ("LocalDS_0", "VMFS", True),
        ("LocalDS_1", "VMFS", True),
    ]
    await target.ask([FIND, FIND, STORES])
    assert len(vcenter.control.state().sessions) == 1
    assert vcenter.control.traffic("Login").seen == 1
    assert vcenter.control.traffic("RetrievePropertiesEx").seen == 2


async def test_datastores_of_a_datacenter(target: VCenterTarget) -> None:
    """A datacenter is found by its path, with its datastores; what is not there, or is none, does not exist."""
    paths = ("DC0", "DC9", "DC0/host")
    found, missing, folder = await target.ask([Query("datacenter.datastores", {"path": path}) for path in paths])
    assert found.data == {"exists": True, "names": ["LocalDS_0", "LocalDS_1"]}
    assert missing.data == folder.data == {"exists": False, "names": []}


async def test_close_logs_out(vcenter: Running, target: VCenterTarget) -> None:
    """Nothing of us is left in vCenter; the next question logs in again."""
    await target.ask([CHECK])
    await target.close()
    assert vcenter.control.state().sessions == ()
    (reply,) = await target.ask([CHECK])
    assert reply.data["logged_in"]


async def test_what_the_owner_changes_is_seen(vcenter: Running, target: VCenterTarget) -> None:
    """A renamed cluster is not found under its old name; hosts that are lost or in maintenance are not usable."""
    vcenter.control.disconnect_host("DC0_C0_H0")
    vcenter.control.set_maintenance("DC0_C0_H1", maintenance=True)
    vcenter.control.set_datastore_free("LocalDS_0", 7)
    found, stores = await target.ask([FIND, STORES])
    assert (found.data["hosts"], found.data["usable_hosts"]) == (3, 1)
    assert stores.data["datastores"][0]["free"] == 7
    vcenter.control.rename_cluster("DC0_C0", "gold")
    found, stores = await target.ask([FIND, STORES])
    assert (found.data["exists"], sorted(found.data["names"].values())) == (False, ["DC0_C1", "gold"])
    assert (stores.code, stores.error) == ("failed", 'no cluster named "DC0_C0" in vCenter')


async def test_a_wrong_password_is_an_answer(vcenter: Running) -> None:
    """The refusal is told by name, the other questions are denied, and the account is not locked by asking again."""
    target = VCenterTarget(endpoint(vcenter, "wrong"))
    for _ in range(3):
        checked, found = await target.ask([CHECK, FIND])
        assert checked.data == {"logged_in": False, "fault": "InvalidLogin", "about": {}}
        assert (found.code, found.error) == ("denied", "vCenter refuses the login (InvalidLogin)")
    assert vcenter.control.traffic("Login").seen == 1


async def test_a_refusal_is_tried_again_after_a_minute(vcenter: Running) -> None:
    """Whoever corrects the password in vCenter need not restart anything."""
    now = [0.0]
    target = VCenterTarget(endpoint(vcenter, "new"), clock=lambda: now[0])
    assert not (await target.ask([CHECK]))[0].data["logged_in"]
    vcenter.control.set_password("new")
    now[0] = 61.0
    assert (await target.ask([CHECK]))[0].data["logged_in"]
    await target.close()


async def test_a_session_proves_its_password_for_a_while_only(vcenter: Running) -> None:
    """A session outlives a change of the password in vCenter; after five minutes the login is tried anew."""
    now = [0.0]
    target = VCenterTarget(endpoint(vcenter), clock=lambda: now[0])
    await target.ask([CHECK])
    vcenter.control.set_password("other")
    assert (await target.ask([CHECK]))[0].data["logged_in"]
    now[0] = 301.0
    assert (await target.ask([CHECK]))[0].data["fault"] == "InvalidLogin"
    assert vcenter.control.state().sessions == ()


async def test_a_dropped_session_is_replaced_and_everything_listed_again(vcenter: Running, target: VCenterTarget) -> None:
    """Between two asks vCenter forgets us: the second ask has a full answer nevertheless."""
    await target.ask([FIND])
    assert vcenter.control.drop_sessions() == 1
    (found,) = await target.ask([FIND])
    assert found.data["exists"]
    assert vcenter.control.traffic("Login").seen == 2


async def test_a_connection_that_was_closed_meanwhile_is_replaced(vcenter: Running, target: VCenterTarget) -> None:
    """Between two asks all connections are cut, however that shows: the second ask has a full answer nevertheless."""
    for _ in range(5):
        assert (await target.ask([FIND]))[0].data["exists"]
        vcenter.control.close()
        vcenter.control.open()
        assert (await target.ask([FIND]))[0].data["exists"]


async def test_a_session_that_ends_while_listing_is_replaced(vcenter: Running, target: VCenterTarget) -> None:
    """We are forgotten in the middle of an ask: it logs in and lists again, once."""
    await target.ask([FIND])
    vcenter.control.delay("RetrievePropertiesEx", 60_000, times=1)
    asked = asyncio.create_task(target.ask([FIND]))
    await asyncio.to_thread(vcenter.control.wait, "the listing is held", lambda c: c.traffic("RetrievePropertiesEx").held == 1)
    vcenter.control.drop_sessions()
    vcenter.control.clear_faults()
    (found,) = await asked
    assert found.data["exists"]
    assert vcenter.control.traffic("Login").seen == 2


async def test_a_dropped_session_with_a_changed_password_is_a_refusal(vcenter: Running, target: VCenterTarget) -> None:
    """The new login is refused, and that is the answer."""
    await target.ask([FIND])
    vcenter.control.set_password("other", drop_sessions=True)
    checked, found = await target.ask([CHECK, FIND])
    assert checked.data["fault"] == "InvalidLogin"
    assert found.code == "denied"


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
async def test_a_pinned_thumbprint_is_trusted(vcenter: Running, digest: str) -> None:
    """The declared thumbprint is enough, with or without colons, in any case."""
    found = thumbprint(vcenter, digest)
    for spelled in (found, ":".join(found[index : index + 2] for index in range(0, len(found), 2)).upper()):
        target = VCenterTarget(endpoint(vcenter, thumbprint=spelled))
        assert (await target.ask([CHECK]))[0].data["logged_in"]
        await target.close()


async def test_a_wrong_thumbprint_is_never_trusted(vcenter: Running) -> None:
    """The presented thumbprint is told, no password is sent, and trying again by itself is of no use."""
    target = VCenterTarget(endpoint(vcenter, thumbprint="aa" * 32))
    with pytest.raises(TargetError, match="declared is aaaa") as caught:
        await target.ask([CHECK])
    presented = caught.value.reason.split("presents the thumbprint ")[1].split(",")[0]
    assert presented.replace(":", "").lower() == thumbprint(vcenter, "sha256")
    assert caught.value.retry is False
    assert vcenter.control.traffic("Login").seen == 0


async def test_another_authority_is_not_trusted(vcenter: Running, tmp_path: Path) -> None:
    """The message names the CA file, what is wrong, and the thumbprint that is presented."""
    other = ensure_certificates(tmp_path / "other", ["127.0.0.1"])
    with pytest.raises(TargetError) as caught:
        await VCenterTarget(endpoint(vcenter, ca_file=str(other.ca))).ask([CHECK])
    assert f"is not trusted by {other.ca}: " in caught.value.reason
    assert thumbprint(vcenter, "sha256") in caught.value.reason.replace(":", "").lower()
    assert caught.value.retry is False
    assert vcenter.control.traffic("Login").seen == 0


async def test_a_certificate_for_another_name_is_not_trusted(binary: Path, tmp_path: Path) -> None:
    """The right authority is not enough: the certificate must be this host's."""
    certificates = ensure_certificates(tmp_path / "tls", ["vcenter.example"])
    with running(binary, Settings(certificates), tmp_path / "log") as vcenter:
        with pytest.raises(TargetError, match=r"certificate is not valid for '127\.0\.0\.1'"):
            await VCenterTarget(endpoint(vcenter)).ask([CHECK])
        target = VCenterTarget(endpoint(vcenter, insecure=True))
        assert (await target.ask([CHECK]))[0].data["logged_in"]
        await target.close()


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), ("junk", "it holds no certificate in PEM form")]
)
async def test_an_unusable_ca_file_is_told(vcenter: Running, tmp_path: Path, content: str | None, reason: str) -> None:
    """A CA file that is missing or holds no certificate is the user's to mend."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(TargetError, match=f"the CA file {file} is unusable: {reason}") as caught:
        await VCenterTarget(endpoint(vcenter, ca_file=str(file))).ask([CHECK])
    assert caught.value.retry is False


@pytest.mark.parametrize("method", ["RetrieveServiceContent", "Login", "CreateContainerView", "RetrievePropertiesEx"])
async def test_a_black_hole_ends_at_the_deadline(vcenter: Running, method: str) -> None:
    """A request is taken and never answered: that is an error in time, and the next ask is whole again."""
    target = VCenterTarget(endpoint(vcenter), deadline_s=0.5, socket_timeout_s=60)
    vcenter.control.black_hole(method)
    async with asyncio.timeout(5):
        with pytest.raises(TargetError, match=r"no complete answer from 127\.0\.0\.1:\d+ within 0\.5 s"):
            await target.ask([CHECK, FIND])
    vcenter.control.clear_faults()
    target = VCenterTarget(endpoint(vcenter))
    assert (await target.ask([FIND]))[0].data["exists"]
    await target.close()


async def test_a_silent_socket_ends_at_its_own_time_out(vcenter: Running) -> None:
    """The thread that waits is not left behind for longer than a read may take."""
    target = VCenterTarget(endpoint(vcenter), deadline_s=20, socket_timeout_s=0.5)
    vcenter.control.black_hole("RetrievePropertiesEx", times=1)
    with pytest.raises(TargetError, match=r"no answer from 127\.0\.0\.1:\d+ within 0\.5 s"):
        await target.ask([FIND])
    assert (await target.ask([FIND]))[0].data["exists"]
    await target.close()


@pytest.mark.parametrize("method", ["RetrieveServiceContent", "Login", "RetrievePropertiesEx"])
async def test_half_an_answer_is_no_answer(vcenter: Running, target: VCenterTarget, method: str) -> None:
    """A listing that breaks off in the middle is not taken for an empty vCenter."""
    vcenter.control.answer_half(method, times=1)
    with pytest.raises(TargetError, match=r"half an answer from 127\.0\.0\.1:"):
        await target.ask([FIND])
    assert (await target.ask([FIND]))[0].data["exists"]


async def test_a_vcenter_that_is_down_is_told(vcenter: Running, target: VCenterTarget) -> None:
    """Refused connections name the address; when it is up again, so is the target."""
    await target.ask([FIND])
    vcenter.control.close()
    with pytest.raises(TargetError, match=r"(nothing listens on|the connection to) 127\.0\.0\.1:\d+") as caught:
        await target.ask([FIND])
    assert caught.value.retry is True
    vcenter.control.open()
    assert (await target.ask([FIND]))[0].data["exists"]


async def test_a_name_that_does_not_resolve_is_told(vcenter: Running) -> None:
    """A misspelt host is named."""
    wrong = replace(endpoint(vcenter), host="vcenter.invalid")
    with pytest.raises(TargetError, match=r'the name "vcenter\.invalid" does not resolve'):
        await VCenterTarget(wrong).ask([CHECK])


async def test_asks_at_the_same_time_share_the_session(vcenter: Running, target: VCenterTarget) -> None:
    """Questions that come together wait for each other and log in once."""
    replies = await asyncio.gather(*(target.ask([FIND]) for _ in range(5)))
    assert all(reply.data["exists"] for (reply,) in replies)
    assert vcenter.control.traffic("Login").seen == 1


async def test_a_cancelled_ask_leaves_the_target_usable(vcenter: Running, target: VCenterTarget) -> None:
    """Whoever gives up waiting does not spoil the next question."""
    vcenter.control.black_hole("RetrievePropertiesEx", times=1)
    asked = asyncio.create_task(target.ask([FIND]))
    await asyncio.to_thread(vcenter.control.wait, "the listing is held", lambda c: c.traffic("RetrievePropertiesEx").held == 1)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert (await target.ask([FIND]))[0].data["exists"]


async def test_unknown_words_are_refused(target: VCenterTarget) -> None:
    """The vocabulary is closed, and nothing is changed in a vCenter."""
    (reply,) = await target.ask([Query("weather.show", {})])
    assert (reply.code, reply.error) == ("unsupported", "a vCenter has no weather.show")
    assert (await target.do(Action("cluster.create", {}))).code == "unsupported"


def test_a_missing_property_makes_half_an_answer() -> None:
    """An object without a property that each has, refused or just not there, spoils the listing; an optional one does not."""
    collector = vmodl.query.PropertyCollector
    host = vim.HostSystem("host-1")
    given = [
        vmodl.DynamicProperty(name="name", val="h"),
        vmodl.DynamicProperty(name="runtime.inMaintenanceMode", val=False),
    ]
    denied = collector.MissingProperty(
        path="runtime.connectionState",
        fault=vmodl.LocalizedMethodFault(fault=vmodl.fault.SecurityError(msg="no permission")),
    )
    for missing, reason in (([denied], "no permission"), ([], "no reason given")):
        item = collector.ObjectContent(obj=host, propSet=given, missingSet=missing)
        with pytest.raises(HalfAnswerError, match=rf"HostSystem host-1 comes without runtime.connectionState \({reason}\)"):
            _complete("HostSystem", "host-1", item)
    cluster = collector.ObjectContent(
        obj=vim.ClusterComputeResource("domain-c1"), propSet=[vmodl.DynamicProperty(name="name", val="c")], missingSet=[]
    )
    assert _complete("ClusterComputeResource", "domain-c1", cluster) == {"name": "c"}


def test_a_reference_to_what_was_not_listed_makes_half_an_answer() -> None:
    """A cluster with a host that the same listing does not hold was not listed in full."""
    with pytest.raises(HalfAnswerError, match="cluster domain-c1 refers to host-2, which is not listed"):
        _references("domain-c1", [vim.HostSystem("host-1"), vim.HostSystem("host-2")], {"host-1": object()})


def test_a_cloud_without_a_vcenter_does_not_pay_for_pyvmomi() -> None:
    """Importing the target does not import the library."""
    script = "import sys, reconciler.targets.vcenter; sys.exit('pyVmomi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
