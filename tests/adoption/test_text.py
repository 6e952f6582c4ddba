"""What is written is what was meant: YAML of our own making, read back by YAML's own reader."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from resources.adoption.draft import Document, without_none
from resources.adoption.text import secret_text, text_of

ODD = ["yes", "null", "~", "1.10", "0x1F", "2026-01-01", "12:30:45", "a: b", "- a", "#no", "'", '"', "x\ny", " x ", "../a"]
TEXTS = st.one_of(st.text(st.characters(codec="utf-8"), max_size=12), st.sampled_from(ODD))
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(-5, 99999), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=12,
)
SPECS = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4)


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every field of a mapping, at any depth."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += [*([(*at, key)] if isinstance(value, dict) else []), *paths(item, (*at, key))]
    return found


@given(st.data(), st.lists(SPECS, min_size=1, max_size=3))
def test_documents_are_read_back_as_they_were_meant(data: st.DataObject, specs: list[dict[str, Any]]) -> None:
    """Whatever texts, numbers and lists are in them, and wherever comments stand."""
    documents = []
    for number, spec in enumerate(specs):
        noted = data.draw(st.lists(st.sampled_from([(), *paths(spec)]), max_size=3))
        documents.append(Document("Kind", f"d{number}", spec, dict.fromkeys(noted, "a guess: # look: [here]")))
    found = list(yaml.load_all(text_of(documents, "A head."), Loader=yaml.CSafeLoader))
    assert [one["spec"] for one in found] == [without_none(spec) for spec in specs]


@given(st.dictionaries(st.sampled_from(["username", "password"]), TEXTS.filter(bool), min_size=1))
def test_secrets_are_read_back_as_they_were_meant(values: dict[str, str]) -> None:
    """A password is the same text afterwards, whatever YAML would take it for."""
    assert yaml.load(secret_text(values), Loader=yaml.CBaseLoader) == values  # noqa: S506 - it makes texts only
