"""Elements of the CIB: whatever is edited, the rest stays."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import cib

NAMES = st.text("abcdefgh-", min_size=1, max_size=6)
VALUES = st.text("abc<>&\"' 0123456789", max_size=8)


@st.composite
def elements(draw: st.DrawFn) -> ET.Element:
    """Return a primitive with up to three sets of options, some of them bound to a rule, and a comment."""
    element = ET.Element("primitive", {"id": "r"})
    for number in range(draw(st.integers(0, 3))):
        home = ET.SubElement(element, "meta_attributes", {"id": f"set{number}"})
        if draw(st.booleans()):
            ET.SubElement(home, "rule", {"id": f"rule{number}"})
        for name, value in draw(st.dictionaries(NAMES, VALUES, max_size=4)).items():
            ET.SubElement(home, "nvpair", {"id": f"{number}-{name}", "name": name, "value": value})
    element.append(ET.Comment("by hand"))
    return element


@given(elements(), NAMES, VALUES)
def test_a_set_option_reads_back_and_all_others_stay(element: ET.Element, name: str, value: str) -> None:
    """After setting, the option has the value and every other option the one it had; sets with rules are untouched."""
    before = cib.nvpairs(element, "meta_attributes")
    ruled = [cib.canonical(cib.to_text(home)) for home in element.findall("meta_attributes") if home.find("rule") is not None]
    edited = cib.parse(cib.to_text(element))
    cib.set_nvpair(edited, "meta_attributes", name, value)
    assert cib.nvpairs(edited, "meta_attributes") == {**before, name: value}
    found = [cib.canonical(cib.to_text(home)) for home in edited.findall("meta_attributes") if home.find("rule") is not None]
    assert found == ruled
    assert "by hand" in cib.to_text(edited)


@given(elements(), NAMES, VALUES)
def test_setting_what_is_there_changes_nothing(element: ET.Element, name: str, value: str) -> None:
    """To set an option twice is to set it once."""
    cib.set_nvpair(element, "meta_attributes", name, value)
    once = cib.canonical(cib.to_text(element))
    cib.set_nvpair(element, "meta_attributes", name, value)
    assert cib.canonical(cib.to_text(element)) == once


@given(elements(), NAMES)
def test_a_removed_option_is_gone_and_all_others_stay(element: ET.Element, name: str) -> None:
    """After removing, no plain set has the option."""
    before = cib.nvpairs(element, "meta_attributes")
    cib.remove_nvpair(element, "meta_attributes", name)
    assert cib.nvpairs(element, "meta_attributes") == {key: value for key, value in before.items() if key != name}


@pytest.mark.parametrize(
    ("declared", "observed", "told"),
    [
        ("10s", "10", "10s"),
        ("2min", "120s", "2min"),
        ("1h", "3600000ms", "1h"),
        ("10s", "20s", "20s"),
        ("true", "Yes", "true"),
        ("false", "0", "false"),
        ("true", "false", "false"),
        ("stop", "freeze", "freeze"),
        ("stop", None, None),
        (None, "x", "x"),
        (3, "3", 3),
        (True, "on", True),
    ],
)
def test_what_means_the_same_is_told_in_the_declarations_words(declared: object, observed: str | None, told: object) -> None:
    """Pacemaker knows several spellings; only a difference in meaning is a difference."""
    assert cib.in_words_of(declared, observed) == told  # type: ignore[arg-type]


def test_an_id_is_given_once() -> None:
    """Where somebody has used the conventional id for something else, a new element gets another one: ids must differ."""
    rule = '<meta_attributes id="c0-meta_attributes"><rule id="r" score="1"/></meta_attributes>'
    element = cib.parse(f'<primitive id="c0">{rule}</primitive>')
    cib.set_nvpair(element, "meta_attributes", "priority", "1")
    cib.set_nvpair(element, "meta_attributes", "x", "1")
    ids = [each.get("id") for each in element.iter()]
    assert len(ids) == len(set(ids))
    assert cib.nvpairs(element, "meta_attributes") == {"priority": "1", "x": "1"}
