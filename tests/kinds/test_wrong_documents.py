"""What is wrong inside one document is said at its field, in words, with what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.core.errors import InputError
from reconciler.core.load import load
from resources.kinds.registry import KINDS

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "wrong.yaml").read_text())


def said(kind: str, spec: dict[str, Any]) -> list[str]:
    """Return what is said about a document with this spec, without its place and dangling references."""
    document = {"apiVersion": "bivisor/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(InputError) as caught:
        load({"x.yaml": yaml.safe_dump(document)}, KINDS, ())
    lines = [f"{problem.path}: {problem.message}" for problem in caught.value.problems]
    return sorted(line for line in lines if "(none is declared)" not in line)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case['kind']}-{at}") for at, case in enumerate(CASES)])
def test_wrong(case: dict[str, Any]) -> None:
    """Everything that is wrong is said at once, and nothing else."""
    assert said(case["kind"], case["spec"]) == sorted(case["said"])
