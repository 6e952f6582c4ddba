"""The systemd unit of a vCenter compute waits only for what its release says."""

from __future__ import annotations

import pytest

from tests.kinds.cloud import compiled, declared

UNIT = "ssh:ctl1/systemd_unit/nova-compute-vcenter-c0.service"


@pytest.mark.parametrize(("release", "kind"), [("zed", "notify"), ("gazpacho", "notify"), ("hibiscus", "exec")])
def test_nobody_waits_for_a_message_that_a_threaded_compute_never_sends(release: str, kind: str) -> None:
    """Since Nova 34 nova-compute tells systemd nothing: with Type=notify each start would be ended as too late."""
    content = str(declared(compiled({"release: zed": f"release: {release}"}), UNIT)["content"])
    assert f"\nType={kind}\n" in content


@pytest.mark.parametrize("release", ["antelope", "hibiscus"])
def test_the_identity_lies_beside_the_one_configuration_file_of_the_compute(release: str) -> None:
    """Nova looks for compute_id beside each --config-file and in state_path: one such file, and a state path of its own."""
    catalog = compiled({"release: zed": f"release: {release}"})
    (start,) = (line for line in str(declared(catalog, UNIT)["content"]).splitlines() if line.startswith("ExecStart="))
    assert start.split()[1:] == ["--config-file", "/etc/nova/vcenter/vcenter-c0/nova.conf"]
    assert declared(catalog, "ssh:ctl1/file//etc/nova/vcenter/vcenter-c0/compute_id")["mode"] == "0640"
    conf = declared(catalog, "ssh:ctl1/config_file//etc/nova/vcenter/vcenter-c0/nova.conf")
    assert conf["[DEFAULT] state_path"] == "/var/lib/nova/vcenter/vcenter-c0"
