"""The demo's documents, and documents changed a little, as compiled catalogues: what the tests of kinds look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from reconciler.core.compile import compile_units
from reconciler.core.graph import build_graph
from reconciler.core.load import load
from resources.contract import REMEMBERED, SecretText, Unit
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from reconciler.core.compile import Catalog
    from resources.cloud import Secrets
    from resources.contract import Address, Facts

DESIRED = Path(__file__).parents[2] / "desired"
ACCOUNT = {"username": SecretText("user"), "password": SecretText("pa$$word")}

SECRETS: Secrets = {
    **dict.fromkeys(("vc1", "keystone-admin", "nova-service", "cinder-service"), ACCOUNT),
    "transport-url": {"value": SecretText("rabbit://user:p@mq:5672/")},
    "cinder-database": {"value": SecretText("mysql+pymysql://user:p@db/cinder")},
    "corosync-authkey": {"value": SecretText("k" * 256)},
}


def demo_texts() -> dict[str, str]:
    """Return the demo's documents by path."""
    return {f"desired/{path.name}": path.read_text() for path in sorted(DESIRED.glob("*.yaml"))}


def compiled(
    changes: Mapping[str, str] | None = None,
    secrets: Secrets = SECRETS,
    *,
    aliases: Mapping[Address, str] | None = None,
    without: Collection[str] = (),
) -> Catalog:
    """Compile the demo with texts replaced; each old text occurs exactly once. All rules and needs must hold.

    `aliases` are what was seen of units that the declaration follows; `without` are documents (kind/name) that are deleted.
    """
    texts = demo_texts()
    for old, new in (changes or {}).items():
        (name,) = (name for name, text in texts.items() if old in text)
        assert texts[name].count(old) == 1, old
        texts[name] = texts[name].replace(old, new)
    for name, text in texts.items():
        texts[name] = "\n---\n".join(part for part in text.split("\n---\n") if _key(part) not in without)
    loaded = load(texts, KINDS, RULES)
    catalog = compile_units(loaded, KINDS, secrets, {read.file: "the CA's text\n" for read in loaded.reads}, aliases)
    build_graph(catalog.units)
    return catalog


def _key(document: str) -> str:
    """Return kind/name of a document's text."""
    head = yaml.safe_load(document)
    return f"{head['kind']}/{head['metadata']['name']}"


def unit(catalog: Catalog, address: str) -> Unit:
    """Return the unit of that address."""
    (found,) = (unit for unit in catalog.units.values() if str(unit.address) == address)
    return found


def declared(catalog: Catalog, address: str) -> Facts:
    """Return what a document declares of the unit of that address, secrets revealed, the host's memory left out."""
    facts = unit(catalog, address).desired
    assert facts is not None
    plain = {name: value.reveal if isinstance(value, SecretText) else value for name, value in facts.items()}
    plain.pop(REMEMBERED, None)
    return plain


def needs(catalog: Catalog, address: str) -> set[str]:
    """Return what the unit of that address needs, directly or not."""
    found: set[str] = set()
    rest = [address]
    while rest:
        for need in unit(catalog, rest.pop()).needs:
            if str(need.address) not in found:
                found.add(str(need.address))
                rest.append(str(need.address))
    return found
