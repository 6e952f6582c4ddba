"""Units on hosts, walked through by the case files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.diff import diff
from resources.claims import Claim
from resources.contract import Address, Need, Reply, TargetId
from resources.former import TAKING
from resources.units.config_file import ConfigFile
from resources.units.directory import Directory
from resources.units.file import WholeFile
from resources.units.inventory import Inventory
from resources.units.package import Package
from resources.units.service import Service
from resources.units.systemd_unit import SystemdUnit
from tests.units.casebook import cases, check

KVM1 = TargetId("ssh", "kvm1")


def config_file(declared: dict[str, Any]) -> ConfigFile:
    """Build the unit; lists are multi-valued options."""
    options = {
        section: {key: tuple(value) if isinstance(value, list) else value for key, value in keys.items()}
        for section, keys in declared["options"].items()
    }
    unit = ConfigFile.at(KVM1, "/etc/nova/nova.conf", options, attributes=declared.get("attributes"))
    return unit.read_by(tuple(declared.get("readers", ())))


def whole_file(declared: dict[str, Any]) -> WholeFile:
    """Build the unit; no content means that it must not exist."""
    unit = WholeFile.at(KVM1, "/etc/x", declared["content"], attributes=declared.get("attributes"))
    unit = unit.read_by(tuple(declared["readers"])) if "readers" in declared else unit
    return unit if declared["content"] is not None else replace(unit, desired=None)


def systemd_unit(declared: dict[str, Any]) -> SystemdUnit:
    """Build the unit; no content means that it must not exist."""
    unit = SystemdUnit.named(KVM1, declared["name"], declared["content"] or "")
    unit = unit.read_by(tuple(declared["readers"])) if "readers" in declared else unit
    return unit if declared["content"] is not None else replace(unit, desired=None)


def service(declared: dict[str, Any]) -> Service:
    """Build the unit; each thing that it loads has the digest `d1`."""
    loads = tuple(
        Address(KVM1, type_, name)
        for word, type_ in (("loads", "config_file"), ("units", "systemd_unit"))
        for name in declared.get(word, ())
    )
    match declared:
        case {"running": name}:
            unit = Service.running(KVM1, name, loads=loads)
        case {"refreshed": name}:
            unit = Service.refreshed(KVM1, name, loads=loads)
        case _:
            unit = Service.forbidden(KVM1, declared["forbidden"])
    unit = unit.heard_by(TargetId("openstack", "demo"), "kvm1") if "heard" in declared else unit
    return unit.loading(dict.fromkeys(loads, "d1"))


def with_digest(case: dict[str, Any], digest: str) -> dict[str, Any]:
    """Put the unit's digest in place of `OWNED`, the digest of what is declared."""
    actions = [[op, {**args, "owned": digest} if "owned" in args else args] for op, args in case.get("actions", ())]
    return {**case, "actions": actions} if "actions" in case else case


@pytest.mark.parametrize("case", cases("service"))
def test_service(case: dict[str, Any]) -> None:
    """Whatever systemd and the host's memory say, the facts and the steps are those of the case."""
    check(case, service)


@pytest.mark.parametrize("case", cases("config_file"))
def test_config_file(case: dict[str, Any]) -> None:
    """Whatever the file looks like, the facts and the write are those of the case."""
    check(with_digest(case, config_file(case["declared"]).digest()), config_file)


@pytest.mark.parametrize("case", cases("file"))
def test_file(case: dict[str, Any]) -> None:
    """Whatever is at the path, the facts and the write are those of the case."""
    check(with_digest(case, whole_file(case["declared"]).digest()), whole_file)


@pytest.mark.parametrize("case", cases("directory"))
def test_directory(case: dict[str, Any]) -> None:
    """Whatever is at the path, the facts and the step are those of the case."""
    check(case, lambda declared: Directory.at(KVM1, "/etc/nova/vcenter", declared))


@pytest.mark.parametrize("case", cases("package"))
def test_package(case: dict[str, Any]) -> None:
    """Whatever dpkg says, the facts and the step are those of the case."""
    check(case, lambda declared: Package.named(KVM1, declared["name"], replaces=tuple(declared.get("replaces", ()))))


@pytest.mark.parametrize("case", cases("systemd_unit"))
def test_systemd_unit(case: dict[str, Any]) -> None:
    """Whatever the file and systemd say, the facts and the steps are those of the case."""
    check(with_digest(case, systemd_unit(case["declared"]).digest()), systemd_unit)


@pytest.mark.parametrize("case", cases("inventory"))
def test_inventory(case: dict[str, Any]) -> None:
    """Whatever a host says of its memory, all of it is read or none."""
    plain = Inventory.of(KVM1, "demo")
    check(case, lambda declared: plain.forgetting(declared["forgotten"]) if "forgotten" in declared else plain)


@pytest.mark.parametrize("case", cases("at_rest"))
def test_at_rest(case: dict[str, Any]) -> None:
    """Whatever systemd says, nothing is at rest on a guess."""
    waiting = (Need(Address(KVM1, "service", "x"), "it ends there"),)
    check(case, lambda declared: TAKING.rest(KVM1, "x.service", waiting if "ends" in declared else ()))


FORMER = Claim(Address(KVM1, "config_file", "/x"), "demo", (), frozenset({"exists", "[a] b", "[a] c"}))


@pytest.mark.parametrize(
    ("text", "made", "left"),
    [
        ("[a]\nb = 1\nc = 2\n", True, None),
        ("[a]\nb = 1\nc = 2\n", False, "[a]\n"),
        ("[a]\nb = 1\n# by hand\nc = 2\n", True, "[a]\n# by hand\n"),
        ("[a]\nb = 1\nd = 3\n", True, "[a]\nd = 3\n"),
    ],
)
def test_options_of_ours_go_and_the_file_with_the_last_one(text: str, left: str | None, *, made: bool) -> None:
    """A file that was made for them goes when nothing else is in it; whatever anybody else wrote stays, comments included."""
    claim = FORMER if made else replace(FORMER, fields=FORMER.fields - {"exists"})
    unit = ConfigFile.former(claim)
    assert unit is not None
    data = {"exists": True, "text": text, "digest": "d", "mode": "0640", "owner": "root", "group": "nova"}
    facts = unit.observe((Reply(data),))
    (action,) = unit.actions(diff(unit, facts), facts)
    assert (action.op, action.args.get("text")) == (("file.remove", None) if left is None else ("file.write", left))
    assert diff(unit, unit.observe((Reply({**data, "text": left}),)) if left is not None else None) == ()


def test_a_file_that_was_made_for_no_option_of_ours_stays() -> None:
    """There is nothing in it that could go."""
    assert ConfigFile.former(replace(FORMER, fields=frozenset({"exists"}))) is None


def test_a_files_digest_is_that_of_what_a_process_reads() -> None:
    """Another mode or owner makes no process stale; another option or content does."""
    options = {"DEFAULT": {"host": "kvm1"}}
    plain, owned = ConfigFile.at(KVM1, "/x", options), ConfigFile.at(KVM1, "/x", options, attributes={"mode": "0640"})
    assert plain.digest() == owned.digest() != ConfigFile.at(KVM1, "/x", {"DEFAULT": {"host": "kvm2"}}).digest()
    file = WholeFile.at(KVM1, "/x", "a")
    assert file.digest() == WholeFile.at(KVM1, "/x", "a", attributes={"mode": "0400"}).digest()
    assert file.digest() != WholeFile.at(KVM1, "/x", "b").digest()


def test_a_service_that_loads_nothing_has_no_process_to_tell_of() -> None:
    """Only what loads something is handed to what is loaded."""
    loads = (Address(KVM1, "config_file", "/x"),)
    assert Service.running(KVM1, "a").process() == ""
    assert Service.running(KVM1, "a", loads=loads).process() == "a.service"
