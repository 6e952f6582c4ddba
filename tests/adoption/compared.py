"""Adopt a world, write the documents, read them again as any command does, and compare what both mean."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.adopt import drafted
from reconciler.adopted_files import unwritten, write
from reconciler.desired import read_desired
from resources.adoption.text import secret_text
from resources.adoption.whole import Choices
from resources.contract import REMEMBERED, SecretText
from resources.endpoints import SshEndpoint, VCenterEndpoint
from resources.releases.table import RELEASES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resources.contract import Address, Facts, TargetId
    from resources.endpoints import Endpoint
    from tests.adoption.world import World

UNSEEN = frozenset({"port_group"})
"""Nobody can see of a port group whether it is meant for OpenStack."""


SETTINGS = ("some_option", "report_interval", "service_down_time", "debug", "heartbeat")
SHARED = ("/etc/nova/nova.conf", "/etc/cinder/cinder.conf", "/etc/glance/glance-api.conf")


def differences(world: World, folder: Path, vcenters: Mapping[str, str], name: str = "") -> list[str]:
    """Return how the adopted documents differ from those of the world, as sentences."""
    ssh = world.cluster.spec.ssh
    there = {key.name for key in world.loaded.resources if key.kind == "VCenter"}
    given = {host: vcenter for host, vcenter in vcenters.items() if vcenter in there}
    done = drafted(world.seen(), Choices(name=name, vcenters=given, ssh={"user": ssh.user, "port": ssh.port}), folder)
    found = [f"not valid: {done.problem}"] if done.problem else []
    found += [f"left out: {sentence}" for sentence in done.draft.left_out]
    write(done, folder)
    for path in unwritten(done, folder):
        # services of older releases log in to nobody, or as whoever asks them: then a person has to say the account
        assert RELEASES[world.cluster.spec.release].nova < RELEASES["queens"].nova, path
        account = world.secrets[path.name.removesuffix("-service.yaml")]
        path.write_text(secret_text({key: value.reveal for key, value in account.items()}))
    adopted = asyncio.run(read_desired(folder)).catalog
    before, after = world.catalog.units, adopted.units
    reached = (_reached(world.catalog.endpoints), _reached(adopted.endpoints))
    found += [f"not reached as before: {one} became {two}" for one, two in zip(*reached, strict=True) if one != two]
    found += [f"lost: {address}" for address in before.keys() - after.keys() if address.type not in UNSEEN]
    found += [f"new: {address}" for address in after.keys() - before.keys()]
    for address in sorted(before.keys() & after.keys()):
        old, new = _facts(before[address].desired), _facts(after[address].desired)
        found += [f"{address}: {field}: forgotten" for field in old.keys() - new.keys() if not _shared(address, field)]
        changed = {field: (old.get(field), value) for field, value in new.items() if old.get(field) != value}
        found += [f"{address}: {field}: {one!r} became {two!r}" for field, (one, two) in changed.items()]
    return found


def _reached(endpoints: Mapping[TargetId, Endpoint]) -> list[Endpoint]:
    """Return how targets are reached. A vCenter's CA is a copy with the same text; a person names the private key."""
    found: list[Endpoint] = []
    for target in sorted(endpoints, key=str):
        match endpoints[target]:
            case VCenterEndpoint(ca_file=str() as file) as one:
                found.append(replace(one, ca_file="copied" if file else "", secret=""))
            case SshEndpoint() as one:
                found.append(replace(one, key_file=""))
            case one:
                found.append(one)
    return found


def _shared(address: Address, field: str) -> bool:
    """Tell whether it is a setting in a file that services share: what is there and not declared stays there anyway."""
    return address.name in SHARED and any(f"] {name}" in field for name in SETTINGS)


def _facts(desired: Facts | None) -> dict[str, object]:
    plain = {name: value.reveal if isinstance(value, SecretText) else value for name, value in (desired or {}).items()}
    plain.pop(REMEMBERED, None)
    return {re.sub(r"^\[([^\]]+)\]", lambda found: f"[{_section(found[1])}]", name): value for name, value in plain.items()}


def _section(name: str) -> str:
    return name if name == "DEFAULT" else name.lower()
