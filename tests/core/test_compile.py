"""Compiling: resources become one catalogue of units, or a message that names the documents to change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.compile import Catalog, compile_units
from reconciler.core.errors import DisagreementError, InputError
from reconciler.core.load import load
from resources.cloud import Compiled, Kind
from resources.contract import Need, SecretText, TargetId
from resources.endpoints import SshEndpoint
from resources.published import RolloutFacts
from tests.core.sample_kinds import KINDS, NodeSpec, Thing, at, nothing, thing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources.cloud import Secrets
    from resources.contract import Unit
    from resources.endpoints import Endpoint

SECRETS = "apiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {name: s}\nspec: {file: s}\n"
VCENTER = """\
apiVersion: bivisor/v1alpha1
kind: VCenter
metadata: {name: v}
spec:
  host: h
  credentials: {secret: s}
  tls: {caFile: ../ca.pem}
"""
OWNER = "apiVersion: bivisor/v1alpha1\nkind: Owner\nmetadata: {name: NAME}\nspec: {address: h}\n"


def compiled(*documents: str, secrets: Secrets | None = None, files: Mapping[str, str] | None = None) -> Catalog:
    """Return the catalogue of documents, one per file: d/0.yaml and so on."""
    loaded = load({f"d/{number}.yaml": text for number, text in enumerate(documents)}, KINDS, ())
    return compile_units(loaded, KINDS, secrets, files)


def owned(says: Mapping[str, tuple[Unit, ...]], endpoints: Mapping[str, Endpoint] | None = None) -> Catalog:
    """Return the catalogue of resources `Owner/NAME`, in files d/NAME.yaml, each declaring the given units."""
    reach = endpoints or {}

    def compile_owner(resource: Any, _cloud: Any) -> Compiled:
        name = resource.metadata.name
        return Compiled(says[name], (reach[name],) if name in reach else ())

    kinds: dict[str, Kind[Any]] = {"Owner": Kind("Owner", NodeSpec, nothing, compile_owner)}
    loaded = load({f"d/{name}.yaml": OWNER.replace("NAME", name) for name in says}, kinds, ())
    return compile_units(loaded, kinds, {}, {})


def disagreements(*fragments: Unit) -> list[str]:
    """Return the lines that people read when Owner/a, Owner/b… declare one fragment each."""
    with pytest.raises(DisagreementError) as caught:
        owned({chr(ord("a") + number): (unit,) for number, unit in enumerate(fragments)})
    return caught.value.message.splitlines()


def merged(*fragments: Unit) -> Unit:
    """Return the one unit that the fragments of Owner/a, Owner/b… make."""
    catalog = owned({chr(ord("a") + number): (unit,) for number, unit in enumerate(fragments)})
    (unit,) = catalog.units.values()
    return unit


def test_fragments_of_one_unit_merge() -> None:
    """Fields, needs and origins are united; the longest time to settle counts; own fields that say something count."""
    need = Need(at("h", "other"), "it must be there")
    one = thing("h", "x", {"a": "1", "both": "2"}, settle_s=5.0)
    other = thing("h", "x", {"b": ("3",), "both": "2"}, settle_s=9.0, label="l", needs=(need,))
    catalog = owned({"p": (one,), "q": (other, thing("h", "other", {}))})
    unit = catalog.units[at("h", "x")]
    assert isinstance(unit, Thing)
    assert unit.desired == {"a": "1", "both": "2", "b": ("3",)}
    assert [str(origin) for origin in unit.origins] == ["Owner/p", "Owner/q"]
    assert (unit.needs, unit.settle_s, unit.label) == ((need,), 9.0, "l")


def test_a_field_with_two_values_names_both_documents() -> None:
    """The message has the field, the unit, both values and both places; all disagreements come at once."""
    lines = disagreements(
        thing("kvm1", "/etc/nova/nova.conf", {"[DEFAULT] host": "a", "x": ("1", "2"), "y": True}),
        thing("kvm1", "/etc/nova/nova.conf", {"[DEFAULT] host": "b", "x": ("1",), "y": None}),
    )
    begin = "d/b.yaml:1:1: Owner/b: "
    unit = "of ssh:kvm1/thing//etc/nova/nova.conf is"
    a, b = "by Owner/a (d/a.yaml:1)", "by Owner/b (d/b.yaml:1): one of them must go"
    assert lines == [
        f'{begin}[DEFAULT] host {unit} "a" {a} and "b" {b}',
        f'{begin}x {unit} ["1", "2"] {a} and ["1"] {b}',
        f"{begin}y {unit} true {a} and absent {b}",
    ]


def test_a_disagreement_about_secrets_shows_neither() -> None:
    """Values that are secret stand masked in the message."""
    (line,) = disagreements(thing("h", "x", {"p": SecretText("one-1")}), thing("h", "x", {"p": SecretText("two-2")}))
    assert "p of ssh:h/thing/x is (secret) by Owner/a (d/a.yaml:1) and (secret) by Owner/b" in line


def test_disagreements_about_the_whole_unit_and_its_own_fields_are_told() -> None:
    """Whether it exists, and what a type of unit alone has, must be agreed upon as well."""
    (line,) = disagreements(thing("h", "x", {"a": "1"}), thing("h", "x", None))
    assert "ssh:h/thing/x is present by Owner/a (d/a.yaml:1) and absent by Owner/b" in line
    (line,) = disagreements(thing("h", "x", {}, label="l"), thing("h", "x", {}), thing("h", "x", {}, label="m"))
    assert 'label of ssh:h/thing/x is "l" by Owner/a (d/a.yaml:1) and "m" by Owner/c (d/c.yaml:1)' in line


def test_a_unit_that_must_not_exist_stays_so() -> None:
    """Two documents may both declare something absent."""
    assert merged(thing("h", "x", None), thing("h", "x", None)).desired is None


def test_needs_for_what_nobody_declares_are_told_with_their_reason() -> None:
    """A need or a load that leads nowhere names the unit, the reason, and the document it comes from."""
    lost = Need(at("gone", "y"), "it reads it")
    with pytest.raises(InputError) as caught:
        owned({"a": (thing("h", "x", {}, needs=(lost,), loads=(at("h", "z"),)),)})
    assert caught.value.message.splitlines() == [
        "d/a.yaml:1:1: Owner/a: ssh:h/thing/x loads ssh:h/thing/z, which no document declares",
        "d/a.yaml:1:1: Owner/a: ssh:h/thing/x needs ssh:gone/thing/y (it reads it), which no document declares",
    ]


def test_units_learn_what_they_load_and_who_reads_them() -> None:
    """Loaders get the digests of what is declared after merging; what is loaded gets its processes, sorted.

    A process on another host never reads a file here; Pacemaker's resources do, wherever they run.
    """
    file = at("h", "conf")
    catalog = owned(
        {
            "a": (thing("h", "conf", {"a": "1"}), thing("h", "z", {}, loads=(file,)), thing("h", "b", {}, loads=(file,))),
            "b": (
                thing("h", "conf", {"b": "2"}),
                thing("elsewhere", "c", {}, loads=(file,)),
                Thing(address=at("ring", "p", "pacemaker"), desired={}, loads=(file,)),
            ),
        }
    )
    conf, loader = catalog.units[file], catalog.units[at("h", "z")]
    assert isinstance(conf, Thing)
    assert isinstance(loader, Thing)
    assert conf.readers == ("b.service", "p.service", "z.service")
    assert loader.digests == ((str(file), thing("h", "conf", {"a": "1", "b": "2"}).digest()),)


def test_secrets_and_files_reach_the_units() -> None:
    """Resolved secrets and the texts of files stand in the units; unresolved, a placeholder does."""
    catalog = compiled(SECRETS, VCENTER, secrets={"s": {"password": SecretText("p")}}, files={"ca.pem": "CA"})
    desired = catalog.units[at("v", "session", "vcenter")].desired
    assert desired == {"password": SecretText("p"), "ca": "CA"}
    placeholder = compiled(SECRETS, VCENTER).units[at("v", "session", "vcenter")].desired
    assert placeholder == {"password": SecretText("(password of Secret/s)"), "ca": "unresolved ca.pem"}


def test_a_secret_without_the_key_is_told_at_the_reference() -> None:
    """The message stands at the field that refers to the secret, with the keys that it has."""
    with pytest.raises(InputError) as caught:
        compiled(SECRETS, VCENTER, secrets={"s": {"username": SecretText("u")}}, files={"ca.pem": "CA"})
    assert caught.value.message == (
        'd/1.yaml:6:3: VCenter/v: spec.credentials: Secret "s" has no key "password" (it has: username)'
    )


def test_the_catalogue_holds_all_that_the_drive_needs() -> None:
    """Endpoints by target, units in the order of their addresses, the resources, and how much may be down."""
    node = "apiVersion: bivisor/v1alpha1\nkind: Node\nmetadata: {name: NAME}\nspec: {address: NAME.example}\n"
    catalog = compiled(node.replace("NAME", "n2"), SECRETS, VCENTER, node.replace("NAME", "n1"))
    assert [str(address) for address in catalog.units] == [
        "ssh:n1/thing//etc/a.conf",
        "ssh:n1/thing/a",
        "ssh:n2/thing//etc/a.conf",
        "ssh:n2/thing/a",
        "vcenter:v/thing/session",
    ]
    reached = catalog.endpoints[TargetId("ssh", "n1")]
    assert isinstance(reached, SshEndpoint)
    assert reached.address == "n1.example"
    assert [str(key) for key in catalog.resources] == ["Node/n1", "Node/n2", "Secret/s", "VCenter/v"]
    assert catalog.rollouts == (RolloutFacts("v", 1),)


def test_one_target_is_reached_in_one_way() -> None:
    """Two documents that say different things about reaching a target are both named."""
    target = TargetId("ssh", "n")
    ways = {name: SshEndpoint(target, name, 22, "root", "", "") for name in ("a", "b")}
    with pytest.raises(DisagreementError) as caught:
        owned({"a": (), "b": ()}, ways)
    assert caught.value.message == (
        "d/b.yaml:1:1: Owner/b: ssh:n is reached in one way by Owner/a (d/a.yaml:1) "
        "and in another by Owner/b (d/b.yaml:1): one of them must go"
    )


FIELDS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "2"]), max_size=4)


@given(st.lists(FIELDS, min_size=1, max_size=4))
def test_merging_is_the_union_or_a_disagreement(says: list[dict[str, str]]) -> None:
    """Fragments merge into the union of their fields exactly when no field has two values, in whatever order."""
    conflicts = any(len({one[name] for one in says if name in one}) > 1 for name in "abcd")
    fragments = [thing("h", "x", dict(one)) for one in says]
    for order in (fragments, fragments[::-1]):
        if conflicts:
            assert disagreements(*order)
        else:
            assert merged(*order).desired == {name: value for one in says for name, value in one.items()}


def test_twenty_thousand_units_compile_in_about_a_second() -> None:
    """10,000 resources with two units each compile in less than two seconds of processor time."""
    node = "apiVersion: bivisor/v1alpha1\nkind: Node\nmetadata: {name: NAME}\nspec: {address: h}\n"
    loaded = load({"n.yaml": "---\n".join(node.replace("NAME", f"n{number}") for number in range(10_000))}, KINDS, ())
    start = time.process_time()
    catalog = compile_units(loaded, KINDS, {}, {})
    assert time.process_time() - start < 2.0
    assert len(catalog.units) == 20_000
