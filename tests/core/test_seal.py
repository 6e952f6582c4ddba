"""Digests say whether things are equal, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.compile import compile_units
from reconciler.core.load import load
from reconciler.core.saved import document_digests
from reconciler.core.seal import Seal, plain
from resources.contract import SecretText
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES

DESIRED = Path(__file__).parents[2] / "desired"
SALT = "00" * 16
SEAL = Seal.of(SALT, {"vc1": {"password": SecretText("1234")}})

values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=3).map(tuple)


def demo(folder: str) -> dict[str, str]:
    """Return the demo's documents as if they lay in that folder."""
    return {f"{folder}/{path.name}": path.read_text() for path in sorted(DESIRED.glob("*.yaml"))}


def test_every_secret_makes_the_key() -> None:
    """With another value of any secret, or another salt, every digest is another one; the key is never shown."""
    others = (
        Seal.of(SALT, {"vc1": {"password": SecretText("1235")}}),
        Seal.of(SALT, {"vc1": {"password": SecretText("1234")}, "other": {"value": SecretText("x")}}),
        Seal.of("11" * 16, {"vc1": {"password": SecretText("1234")}}),
    )
    assert len({seal.digest("label", "value") for seal in (SEAL, *others)}) == 4
    assert "_key" not in repr(SEAL)


@given(values, values)
@settings(max_examples=50)
def test_equal_values_have_equal_digests_and_others_have_not(one: object, other: object) -> None:
    """By type as well, as everywhere: True is not 1, and a text is not the list of it."""
    same = type(one) is type(other) and one == other
    assert (SEAL.digest("label", one) == SEAL.digest("label", other)) == same


def test_a_secret_is_its_text() -> None:
    """What was found in clear where a secret is declared has the digest of that secret, in its place and nowhere else."""
    assert SEAL.fact("a", "password", SecretText("x")) == SEAL.fact("a", "password", "x") != SEAL.fact("b", "password", "x")


def test_every_unit_of_the_demo_has_a_digest() -> None:
    """Whatever a unit is made of; the same documents give the same digests, another value of one field another one."""
    loaded = load(demo("desired"), KINDS, RULES)
    first, second = (compile_units(loaded, KINDS, None, None).units for _ in range(2))
    digests = {address: SEAL.unit(unit) for address, unit in first.items()}
    assert digests == {address: SEAL.unit(unit) for address, unit in second.items()}
    assert len(set(digests.values())) == len(first)
    for address, unit in first.items():
        assert SEAL.unit(replace(unit, desired={**(unit.desired or {}), "more": True})) != digests[address]


def test_another_checkout_declares_the_same() -> None:
    """In which folder the documents lie does not matter; what they say does."""
    here, there = (document_digests(load(demo(folder), KINDS, RULES), SEAL) for folder in ("desired", "/srv/ci/42/desired"))
    assert here == there
    texts = demo("desired")
    texts["desired/cluster.yaml"] = texts["desired/cluster.yaml"].replace("report_interval: 5", "report_interval: 9")
    other = document_digests(load(texts, KINDS, RULES), SEAL)
    assert [name for name in here if here[name] != other[name]] == ["Cluster/demo"]


def test_what_has_no_digest_is_refused() -> None:
    """A value of a kind that nobody thought of is an error, and never silently equal to another."""
    with pytest.raises(TypeError, match="a object has no digest"):
        plain(object())
