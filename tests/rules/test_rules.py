"""Each rule refuses what it is there for, at its field, in its words, and lets the rest pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.core.errors import InputError
from reconciler.core.load import load
from resources.kinds.registry import KINDS
from resources.rules.registry import RULES

HERE = Path(__file__).parent
GOOD = (HERE / "good.yaml").read_text()
CASES: list[dict[str, Any]] = yaml.safe_load((HERE / "cases.yaml").read_text())


def said(text: str) -> list[str]:
    """Return what is wrong with the documents or warned of, sorted and without line numbers."""
    try:
        problems = load({"desired.yaml": text}, KINDS, RULES).warnings
    except InputError as error:
        problems = error.problems
    return sorted(str(problem).split(": ", 1)[1] for problem in problems)


def changed(case: dict[str, Any]) -> str:
    """Return the good documents with the case's changes; each old text occurs exactly once."""
    text = GOOD
    for old, new in case.get("change", {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text + ("---\n" + case["add"] + "\n" if "add" in case else "")


def test_a_good_cloud_keeps_all_rules() -> None:
    """Nothing is said about documents that are as they should be."""
    assert said(GOOD) == []


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['rule']}-{at}") for at, case in enumerate(CASES)])
def test_rule(case: dict[str, Any]) -> None:
    """The change is answered with exactly these problems or warnings."""
    assert said(changed(case)) == sorted(case.get("said", []))


def test_parts_without_a_cluster() -> None:
    """Zones, backends and stores say that their Cluster is missing."""
    documents = [document for document in yaml.safe_load_all(GOOD) if document["kind"] != "Cluster"]
    parts = ("HypervisorZone/kvm-az", "HypervisorZone/vcenter-az", "ImageStore/file", "VolumeBackend/vmdk")
    assert said(yaml.safe_dump_all(documents)) == [
        f"{part}: no document declares the Cluster that it belongs to" for part in parts
    ]


def test_every_rule_has_a_case() -> None:
    """No rule is only believed to work."""
    assert {rule.__name__ for rule in RULES} == {case["rule"] for case in CASES}
