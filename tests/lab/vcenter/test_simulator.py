"""The simulated vCenter, seen by a real client."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim, vmodl

from tests.lab.vcenter.control import ANY_METHOD, ControlError, Traffic, VCenterControl

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.lab.vcenter.process import Running

    Login = Callable[..., AbstractContextManager[Any]]

pytestmark = pytest.mark.timeout(900)
"""The first test waits for the compiler."""

_COLLECTOR = vmodl.query.PropertyCollector
_WAIT_S = 10
_PROPERTIES = {
    vim.ClusterComputeResource: ["name"],
    vim.HostSystem: ["name", "runtime.connectionState", "runtime.inMaintenanceMode"],
    vim.Datastore: ["name", "summary.freeSpace"],
}


def _view_spec(client: Any) -> Any:
    """A filter over all clusters, hosts and datastores, by way of a container view."""
    view = client.content.viewManager.CreateContainerView(client.content.rootFolder, list(_PROPERTIES), recursive=True)
    through = _COLLECTOR.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
    return _COLLECTOR.FilterSpec(
        objectSet=[_COLLECTOR.ObjectSpec(obj=view, skip=True, selectSet=[through])],
        propSet=[_COLLECTOR.PropertySpec(type=kind, pathSet=paths) for kind, paths in _PROPERTIES.items()],
    )


def _named(answer: Any, kind: Any) -> list[str]:
    return sorted(
        prop.val for found in answer.objects if isinstance(found.obj, kind) for prop in found.propSet if prop.name == "name"
    )


def test_login_shows_the_inventory(login: Login) -> None:
    """A client with the right password sees the clusters, hosts and datastores in one request."""
    with login() as client:
        answer = client.content.propertyCollector.RetrievePropertiesEx([_view_spec(client)], _COLLECTOR.RetrieveOptions())
        assert _named(answer, vim.ClusterComputeResource) == ["DC0_C0", "DC0_C1"]
        assert _named(answer, vim.HostSystem) == [f"DC0_C{c}_H{h}" for c in range(2) for h in range(3)]
        assert _named(answer, vim.Datastore) == ["LocalDS_0", "LocalDS_1"]
        assert client.content.about.instanceUuid == "dbed6e0c-bd88-4ef6-b594-21283e1c677f"


def test_datastores_suit_openstack(login: Login) -> None:
    """Each datastore is a shared VMFS volume that all hosts have mounted read-write."""
    with login() as client:
        (datacenter,) = client.content.rootFolder.childEntity
        for datastore in datacenter.datastore:
            assert (datastore.summary.type, datastore.summary.multipleHostAccess) == ("VMFS", True)
            mounts = [mount.mountInfo for mount in datastore.host]
            assert [(m.accessMode, m.mounted, m.accessible) for m in mounts] == [("readWrite", True, True)] * 6


def test_wrong_password(login: Login) -> None:
    """A wrong password gives InvalidLogin."""
    with pytest.raises(vim.fault.InvalidLogin), login("wrong"):
        pass


def test_changed_password(login: Login, vcenter: Running) -> None:
    """After a change only the new password logs in; who is logged in stays so."""
    with login() as client:
        vcenter.control.set_password("new")
        assert client.CurrentTime()
        with pytest.raises(vim.fault.InvalidLogin), login():
            pass
        with login("new") as other:
            assert other.CurrentTime()


def test_changed_password_drops_sessions(login: Login, vcenter: Running) -> None:
    """A change that drops sessions logs everybody out."""
    with login() as client:
        vcenter.control.set_password("new", drop_sessions=True)
        assert vcenter.control.state().sessions == ()
        with pytest.raises(vim.fault.NotAuthenticated):
            client.CurrentTime()


def test_other_ca_is_refused(vcenter: Running) -> None:
    """A client that does not trust the simulator's CA does not get in."""
    strict = ssl.create_default_context()
    with (
        socket.create_connection((vcenter.host, vcenter.port), timeout=_WAIT_S) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        strict.wrap_socket(plain, server_hostname=vcenter.host)


_CHANGES: list[tuple[Callable[[VCenterControl], None], str, object]] = [
    (lambda control: control.rename_cluster("DC0_C0", "Renamed"), "name", "Renamed"),
    (lambda control: control.disconnect_host("DC0_C0_H1"), "runtime.connectionState", "disconnected"),
    (lambda control: control.set_maintenance("DC0_C1_H2", maintenance=True), "runtime.inMaintenanceMode", True),
    (lambda control: control.set_datastore_free("LocalDS_1", 12345), "summary.freeSpace", 12345),
]


@pytest.mark.parametrize(("change", "path", "value"), _CHANGES, ids=["rename", "disconnect", "maintenance", "free space"])
def test_changes_are_pushed(
    login: Login, vcenter: Running, change: Callable[[VCenterControl], None], path: str, value: object
) -> None:
    """Each change of the inventory reaches a client that is waiting for updates."""
    with login() as client, ThreadPoolExecutor(1) as pool:
        collector = client.content.propertyCollector
        collector.CreateFilter(_view_spec(client), partialUpdates=False)
        options = _COLLECTOR.WaitOptions(maxWaitSeconds=_WAIT_S)
        version = collector.WaitForUpdatesEx("", options).version
        seen = vcenter.control.traffic("WaitForUpdatesEx").seen
        waiting = pool.submit(collector.WaitForUpdatesEx, version, options)
        vcenter.control.wait("the client waits", lambda c: c.traffic("WaitForUpdatesEx").seen > seen)
        change(vcenter.control)
        (told,) = waiting.result(_WAIT_S).filterSet
        assert [(one.name, one.val) for found in told.objectSet for one in found.changeSet] == [(path, value)]


def test_reconnected_host(login: Login, vcenter: Running) -> None:
    """A lost host that is found again is connected, for the client and for the controls."""
    vcenter.control.disconnect_host("DC0_C0_H1")
    vcenter.control.reconnect_host("DC0_C0_H1")
    assert [host.connection for host in vcenter.control.state().hosts] == ["connected"] * 6
    with login() as client:
        (datacenter,) = client.content.rootFolder.childEntity
        states = [host.summary.runtime.connectionState for cr in datacenter.hostFolder.childEntity for host in cr.host]
        assert states == ["connected"] * 6


def _cyclic_specs() -> list[Any]:
    """Specs that lead from folders to hosts and their machines, and back to folders."""

    def follow(name: str, kind: Any, path: str, *then: str) -> Any:
        onward = [_COLLECTOR.SelectionSpec(name=next_name) for next_name in then]
        return _COLLECTOR.TraversalSpec(name=name, type=kind, path=path, skip=False, selectSet=onward)

    return [
        follow("folders", vim.Folder, "childEntity", "folders", "hosts", "machines", "compute", "pools"),
        follow("hosts", vim.Datacenter, "hostFolder", "folders"),
        follow("machines", vim.Datacenter, "vmFolder", "folders"),
        follow("compute", vim.ComputeResource, "host", "machines of hosts"),
        follow("machines of hosts", vim.HostSystem, "vm", "folders"),
        follow("pools", vim.ComputeResource, "resourcePool", "pools of pools", "machines of pools"),
        follow("pools of pools", vim.ResourcePool, "resourcePool", "pools of pools", "machines of pools"),
        follow("machines of pools", vim.ResourcePool, "vm", "pool of machine"),
        follow("pool of machine", vim.VirtualMachine, "resourcePool", "pools of pools", "machines of pools"),
    ]


def test_cyclic_traversal_ends(login: Login, vcenter: Running) -> None:
    """Traversal specs that go in circles are answered with each object once."""
    with login() as client:
        spec = _COLLECTOR.FilterSpec(
            objectSet=[_COLLECTOR.ObjectSpec(obj=client.content.rootFolder, selectSet=_cyclic_specs())],
            propSet=[_COLLECTOR.PropertySpec(type=vim.HostSystem, pathSet=["name"])],
        )
        answer = client.content.propertyCollector.RetrievePropertiesEx([spec], _COLLECTOR.RetrieveOptions())
        assert _named(answer, vim.HostSystem) == [host.name for host in vcenter.control.state().hosts]


def test_dropped_session(login: Login, vcenter: Running) -> None:
    """A dropped session gives NotAuthenticated to the next call, and at once to one that waits for updates."""
    with login() as client, ThreadPoolExecutor(1) as pool:
        collector = client.content.propertyCollector
        collector.CreateFilter(_view_spec(client), partialUpdates=False)
        version = collector.WaitForUpdatesEx("", _COLLECTOR.WaitOptions(maxWaitSeconds=_WAIT_S)).version
        waiting = pool.submit(collector.WaitForUpdatesEx, version, _COLLECTOR.WaitOptions(maxWaitSeconds=60))
        assert vcenter.control.drop_sessions() == 1
        assert isinstance(waiting.exception(_WAIT_S), vim.fault.NotAuthenticated)
        with pytest.raises(vim.fault.NotAuthenticated):
            client.CurrentTime()


def test_black_hole(login: Login, vcenter: Running) -> None:
    """A method in the black hole never answers: the client's own timeout ends the call."""
    with login(timeout_s=0.5) as client:
        vcenter.control.black_hole("CurrentTime")
        with pytest.raises(TimeoutError):
            client.CurrentTime()
        vcenter.control.wait("the client has hung up", lambda c: c.traffic("CurrentTime") == Traffic(seen=1, held=0))
        assert client.content.sessionManager.currentSession, "other methods answer"
        vcenter.control.clear_faults()
        assert client.CurrentTime()


def test_cleared_black_hole_lets_go(login: Login, vcenter: Running) -> None:
    """When faults are cleared, a call in the black hole loses its connection."""
    with login() as client, ThreadPoolExecutor(1) as pool:
        vcenter.control.black_hole(ANY_METHOD, times=1)
        waiting = pool.submit(client.CurrentTime)
        vcenter.control.wait("the call is held", lambda c: c.traffic("CurrentTime").held == 1)
        vcenter.control.clear_faults()
        assert isinstance(waiting.exception(_WAIT_S), http.client.HTTPException | OSError)


def test_half_an_answer(login: Login, vcenter: Running) -> None:
    """Half an answer is an error of the connection, never a shorter list."""
    with login() as client:
        vcenter.control.answer_half("RetrievePropertiesEx", times=1)
        spec = _view_spec(client)
        with pytest.raises((http.client.IncompleteRead, ExpatError)):
            client.content.propertyCollector.RetrievePropertiesEx([spec], _COLLECTOR.RetrieveOptions())
        answer = client.content.propertyCollector.RetrievePropertiesEx([spec], _COLLECTOR.RetrieveOptions())
        assert len(answer.objects) == 10, "the fault was for one request"


def test_delay(login: Login, vcenter: Running) -> None:
    """A delayed method answers late, by what was asked for; clearing lets it answer at once."""
    with login() as client, ThreadPoolExecutor(1) as pool:
        vcenter.control.delay("CurrentTime", 200, times=1)
        begin = time.monotonic()
        assert client.CurrentTime()
        assert time.monotonic() - begin >= 0.2
        vcenter.control.delay("CurrentTime", 3_600_000)
        waiting = pool.submit(client.CurrentTime)
        vcenter.control.wait("the call is held", lambda c: c.traffic("CurrentTime").held == 1)
        vcenter.control.clear_faults()
        assert waiting.result(_WAIT_S)


def test_closed_door(login: Login, vcenter: Running) -> None:
    """A vCenter that is down refuses connections; up again, it still knows the session."""
    with login() as client:
        vcenter.control.close()
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on the moment
            client.CurrentTime()
        vcenter.control.open()
        assert client.CurrentTime()


def test_controls_refuse_nonsense(vcenter: Running) -> None:
    """A control with an unknown name or a wrong value says what is wrong and what is known."""
    with pytest.raises(ControlError, match=r'no HostSystem "DC9" \(known: DC0_C0_H0, '):
        vcenter.control.disconnect_host("DC9")
    with pytest.raises(ControlError, match="from 0 to the capacity of LocalDS_0"):
        vcenter.control.set_datastore_free("LocalDS_0", -1)
    with pytest.raises(ControlError, match="delay_ms must be positive"):
        vcenter.control.delay("Login", 0)
    with pytest.raises(ControlError, match="password is empty"):
        vcenter.control.set_password("")


def test_many_clients_at_once(login: Login, vcenter: Running) -> None:
    """Clients that read while the inventory changes all get whole answers."""
    stop = threading.Event()

    def flap() -> None:
        while not stop.is_set():
            vcenter.control.disconnect_host("DC0_C0_H0")
            vcenter.control.reconnect_host("DC0_C0_H0")

    def read() -> int:
        with login() as client:
            spec = _view_spec(client)
            collector = client.content.propertyCollector
            return sum(len(collector.RetrievePropertiesEx([spec], _COLLECTOR.RetrieveOptions()).objects) for _ in range(10))

    with ThreadPoolExecutor(9) as pool:
        flapping = pool.submit(flap)
        try:
            counts = [future.result(60) for future in [pool.submit(read) for _ in range(8)]]
        finally:
            stop.set()
        flapping.result(_WAIT_S)
    assert counts == [100] * 8
