"""Explaining: what may be written, for people and for editors."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from reconciler.core.errors import InputError, UnknownNameError
from reconciler.core.explain import explain, schema
from reconciler.core.load import load
from tests.core.sample_kinds import KINDS
from tests.core.test_load import CASES, NODE

ZONE = """\
HypervisorZone (bivisor/v1alpha1)

  An availability zone of one hypervisor type.

spec:
  hypervisor  "vmware" or "libvirt", required. What runs the instances.
  vcenter     name of a VCenter
  computes    list of mappings. One for each vSphere cluster.
  ha          "none" or "active-passive", default "none"
  volumes     mapping
  extra       mapping of names to text, whole number, true or false
  password    reference to a Secret: {secret: NAME}, {secret: NAME, key: KEY}
  also        mapping or text. How to log in.
"""

COMPUTES = """\
HypervisorZone.spec.computes: list of mappings

  One for each vSphere cluster.

fields:
  cluster  text, required
  host     text, required
  weight   number, default 1.0
"""

VOLUMES = """\
HypervisorZone.spec.volumes: mapping

fields, if it is this: Shares of an NFS server.
  driver  "nfs", required
  shares  list of text, required

fields, if it is this: Volumes in a vCenter.
  driver   "vmdk", required
  vcenter  name of a VCenter, required
"""

KIND_LIST = """\
Kinds:
  HypervisorZone  An availability zone of one hypervisor type.
  Node            A plain host.
  Secret          Where a secret value comes from.
  VCenter         How to reach a vCenter.

bivisor explain KIND, or KIND.spec.FIELD, explains more.
"""

METADATA = """\
Node.metadata: mapping, required

  What identifies the document, and what people hang on it.

fields:
  name         text, required. A DNS label, unique among the resources of its kind.
  labels       mapping of names to text. Words to choose this resource by.
  annotations  mapping of names to text. Notes; those that begin with bivisor/ are read.

annotations:
  bivisor/manage  "full", "observe" or "paused". full: act; observe: plan and report, never act;
                  paused: leave alone.
  bivisor/ignore  text. Fields of this document's units that are left to others: one TYPE/NAME FIELD
                  a line, * for anything.
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", KIND_LIST),
        ("HypervisorZone", ZONE),
        ("Node.metadata", METADATA),
        (
            "HypervisorZone.spec",
            ZONE.replace("HypervisorZone (bivisor/v1alpha1)", "HypervisorZone.spec: mapping").replace("\nspec:", "\nfields:"),
        ),
        ("HypervisorZone.spec.computes", COMPUTES),
        ("HypervisorZone.spec.volumes", VOLUMES),
        ("HypervisorZone.spec.computes[0].weight", "HypervisorZone.spec.computes.weight: number, default 1.0\n"),
        ("Node.spec.ssh.port", "Node.spec.ssh.port: whole number from 1 up to 65535, default 22\n"),
        ("Node.spec.peer", "Node.spec.peer: name of a Node\n"),
        ("VCenter.spec.tls.caFile", "VCenter.spec.tls.caFile: file, relative to the folder of this document\n"),
    ],
)
def test_every_field_is_explained(path: str, text: str) -> None:
    """A kind or a field gives its type in words, whether it is required, its meaning, and its own fields."""
    assert explain(KINDS, path) + "\n" == text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("Nod", 'unknown kind "Nod" (did you mean "Node"?)'),
        ("Node.spek", "Node.spek cannot be explained: the fields of a kind are in Node.spec and Node.metadata"),
        ("Node.spec.adress", 'Node.spec has no field "adress" (did you mean "address"?)'),
        ("Node.spec.ssh.x", 'Node.spec.ssh has no field "x" (fields: keyFile, port, user)'),
        ("Node.spec.address.x", "Node.spec.address has no fields: its type is text, required"),
    ],
)
def test_what_does_not_exist_gets_the_nearest_name(path: str, message: str) -> None:
    """A wrong name is answered with what would be right."""
    with pytest.raises(UnknownNameError) as caught:
        explain(KINDS, path)
    assert caught.value.message == message


def accepts(document: Any) -> bool:
    """Tell whether an editor would find the document in order."""
    return bool(Draft7Validator(schema(KINDS)).is_valid(document))


def test_the_schema_is_one_that_editors_read() -> None:
    """It is valid in its own dialect, plain JSON, and every reference in it leads somewhere."""
    found = schema(KINDS)
    Draft7Validator.check_schema(found)
    text = json.dumps(found)
    names = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert names <= set(found["$defs"])
    assert '"description": "What runs the instances."' in text


GOOD = [
    NODE.replace("NAME", "a"),
    """\
apiVersion: bivisor/v1alpha1
kind: HypervisorZone
metadata: {name: z, annotations: {bivisor/manage: observe, bivisor/ignore: "service/x active", mine: x}}
spec:
  hypervisor: vmware
  computes: [{cluster: c, host: h, weight: 1.5}]
  volumes: {driver: vmdk, vcenter: v}
  extra: {a: text, b: 1, c: true}
  also: {user: x}
---
apiVersion: bivisor/v1alpha1
kind: VCenter
metadata: {name: v}
spec: {host: h, credentials: {secret: s, key: k}}
---
apiVersion: bivisor/v1alpha1
kind: Secret
metadata: {name: s}
spec: {file: x}
""",
]


def test_the_schema_accepts_what_loads() -> None:
    """Good documents are good for the editor as well."""
    load({f"{number}.yaml": text for number, text in enumerate(GOOD)}, KINDS, ())
    for text in GOOD:
        for document in yaml.safe_load_all(text):
            assert accepts(document), document


SHAPES = ("unknown", "missing fields", "wrong types", "limits", "depends on another", "names must", "no mapping")


@pytest.mark.parametrize("case", [case for case in CASES if any(shape in case["case"] for shape in SHAPES)], ids=str)
def test_the_schema_refuses_what_does_not_load(case: dict[str, Any]) -> None:
    """Each document of these cases that loading refuses is refused by the schema too."""
    for text in case["files"].values():
        for part in text.split("---\n"):
            whole = part.replace("$HEAD", "apiVersion: bivisor/v1alpha1")
            try:
                document = yaml.safe_load(whole)
            except yaml.YAMLError:
                continue
            with pytest.raises(InputError):
                load({"a.yaml": whole}, KINDS, ())
            assert not accepts(document), document
