"""Loading: texts become resources, or every problem with its place."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.errors import InputError
from reconciler.core.load import Read, load
from resources.contract import Key
from tests.core.sample_kinds import KINDS, RULES, NodeSpec, SecretSpec, VCenterSpec, ZoneSpec

if TYPE_CHECKING:
    from reconciler.core.errors import LocatedProblem

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "load.yaml").read_text())

NODE = """\
apiVersion: bivisor/v1alpha1
kind: Node
metadata: {name: NAME, labels: {rack: r1}}
spec:
  address: 10.77.0.11
  ssh: {user: root, port: 22, keyFile: ../secrets/id}
  roles: [controller, cinder-vmdk]
"""


def node(name: str) -> str:
    """Return the document of a good node."""
    return NODE.replace("NAME", name)


def problems(files: dict[str, str]) -> list[str]:
    """Return the lines that people read."""
    with pytest.raises(InputError) as caught:
        load(files, KINDS, RULES)
    return caught.value.message.splitlines()


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_each_mistake_is_told_where_it_is_and_what_would_be_right(case: dict[str, Any]) -> None:
    """Every kind of mistake gives its exact lines, all of them at once, in the order of the files."""
    files = {name: text.replace("$HEAD", "apiVersion: bivisor/v1alpha1") for name, text in case["files"].items()}
    assert problems(files) == case["problems"]


def test_good_documents_become_typed_resources() -> None:
    """The result has the typed specs by key, in the order of the keys, whatever the order of files and documents."""
    loaded = load({"d/z.yaml": node("b") + "---\n" + node("a"), "d/empty.yaml": "# nothing\n---\n"}, KINDS, RULES)
    assert [str(key) for key in loaded.resources] == ["Node/a", "Node/b"]
    spec = loaded.resources[Key("Node", "a")].spec
    assert isinstance(spec, NodeSpec)
    assert spec.roles == ("controller", "cinder-vmdk")
    assert loaded.resources[Key("Node", "a")].metadata.labels == {"rack": "r1"}


def test_positions_lead_to_the_keys_of_fields() -> None:
    """A field's place is where its key stands, an item's where it begins; a missing field has its parent's place."""
    positions = load({"d/n.yaml": node("a")}, KINDS, ()).positions[Key("Node", "a")]
    places = {
        (): "1:1",
        ("spec", "address"): "5:3",
        ("spec", "ssh", "port"): "6:21",
        ("spec", "roles", 1): "7:23",
        ("spec", "ssh", "absent"): "6:3",
        ("nowhere", "at", "all"): "1:1",
    }
    assert {path: f"{positions.of(path).line}:{positions.of(path).column}" for path in places} == places
    assert str(positions.of(("spec", "address"))) == "d/n.yaml:5"


def test_paths_in_documents_start_at_their_folder() -> None:
    """Relative names are joined to the document's folder, absolute ones stay; those to be read are listed once."""
    text = """\
apiVersion: bivisor/v1alpha1
kind: VCenter
metadata: {name: NAME}
spec: {host: h, credentials: {secret: s}, tls: {caFile: FILE}}
"""
    other = "apiVersion: bivisor/v1alpha1\nkind: Secret\nmetadata: {name: s}\nspec: {file: ../secrets/s}\n"
    loaded = load(
        {
            "/cloud/desired/a/v.yaml": "---\n".join(
                text.replace("NAME", name).replace("FILE", file)
                for name, file in (("a", "../ca.pem"), ("b", "/etc/ca.pem"), ("c", "./../x/../ca.pem"))
            ),
            "s.yaml": other,
        },
        KINDS,
        (),
    )
    specs = [resource.spec for resource in loaded.resources.values() if isinstance(resource.spec, VCenterSpec)]
    assert [spec.tls.ca_file for spec in specs if spec.tls] == ["/cloud/desired/ca.pem", "/etc/ca.pem", "/cloud/desired/ca.pem"]
    path = ("spec", "tls", "caFile")
    reads = [("/cloud/desired/ca.pem", "a"), ("/cloud/desired/ca.pem", "c"), ("/etc/ca.pem", "b")]
    assert loaded.reads == tuple(Read(file, Key("VCenter", name), path) for file, name in reads)
    spec = loaded.resources[Key("Secret", "s")].spec
    assert isinstance(spec, SecretSpec)
    assert spec.file == "../secrets/s"


def test_warnings_stop_nothing() -> None:
    """A rule's warning comes with the result, with its place."""
    loaded = load(
        {"n.yaml": "apiVersion: bivisor/v1alpha1\nkind: Node\nmetadata: {name: a}\nspec: {address: h}\n"}, KINDS, RULES
    )
    assert [str(warning) for warning in loaded.warnings] == [
        "n.yaml:4:1: Node/a: spec.roles: warning: no role: nothing chooses this node"
    ]


def test_surprises_of_yaml_are_text() -> None:
    """A leading zero, base 60, dates and hardware addresses stay the text they look like; anchors and merges work."""
    text = """\
apiVersion: bivisor/v1alpha1
kind: HypervisorZone
metadata: {name: z, labels: &l {a: 0640, b: 12:30, c: 2024-01-01, d: 52:54:00:12:34:56, e: =}}
spec:
  hypervisor: libvirt
  extra:
    <<: [*l, {f: 1, a: never}]
    g: 0x1F
    h: 1_000
"""
    loaded = load({"z.yaml": text}, KINDS, ())
    resource = loaded.resources[Key("HypervisorZone", "z")]
    words = {"a": "0640", "b": "12:30", "c": "2024-01-01", "d": "52:54:00:12:34:56", "e": "="}
    assert resource.metadata.labels == words
    assert isinstance(resource.spec, ZoneSpec)
    assert resource.spec.extra == {**words, "f": 1, "g": 31, "h": 1000}


def test_of_many_problems_a_hundred_are_listed() -> None:
    """The error holds all problems; its text ends after a hundred with the number of the others."""
    text = "---\n".join(node(f"n{number}").replace("10.77.0.11", "5") for number in range(130))
    with pytest.raises(InputError) as caught:
        load({"n.yaml": text}, KINDS, RULES)
    assert len(caught.value.problems) == 130
    assert caught.value.message.splitlines()[100:] == ["and 30 more"]


@pytest.mark.parametrize("begin", ["[", "- ", "{a: ", "? ", '["'])
def test_absurd_depth_is_a_message_and_no_crash(begin: str) -> None:
    """A text nested two hundred thousand levels deep is refused in words."""
    assert len(problems({"a.yaml": begin * 200_000})) == 1


def test_aliases_that_multiply_are_refused() -> None:
    """Ten lines of aliases to aliases that mean a billion values end in a message, quickly."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]" for number in range(1, 10)]
    (line,) = problems({"a.yaml": "\n".join(lines)})
    assert line.endswith(": aliases add more than 100000 values to this file")


def test_a_thousand_documents_load_within_a_second() -> None:
    """1,000 documents are read, validated and checked for references in less than a second of processor time."""
    text = "---\n".join(node(f"n{number}") for number in range(1000))
    start = time.process_time()
    loaded = load({"n.yaml": text}, KINDS, RULES)
    assert time.process_time() - start < 1.0
    assert len(loaded.resources) == 1000


DOCUMENTS = [node("a"), node("b"), node("c").replace("[controller, cinder-vmdk]", "[]"), node("d")]


@given(st.permutations(DOCUMENTS), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_the_order_of_files_and_documents_means_nothing(documents: list[str], files: list[int]) -> None:
    """Documents give the same resources, in the same order, however they are spread over files of one folder."""
    texts: dict[str, str] = {}
    for document, number in zip(documents, files, strict=True):
        texts[f"d/{number}.yaml"] = texts.get(f"d/{number}.yaml", "") + "---\n" + document
    loaded, plain = load(texts, KINDS, RULES), load({"d/all.yaml": "---\n".join(DOCUMENTS)}, KINDS, RULES)
    assert list(loaded.resources.items()) == list(plain.resources.items())
    assert [warning.message for warning in loaded.warnings] == [warning.message for warning in plain.warnings]


def _loads_or_refuses(text: str) -> None:
    """Check that a text loads, or is refused with places inside of it."""
    refused: tuple[LocatedProblem, ...] = ()
    try:
        load({"f.yaml": text}, KINDS, RULES)
    except InputError as error:
        refused = error.problems
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    for problem in refused:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from("ab01 \n\t-:{}[]#&*!|>'\"%@?,<=~.\\\r\u2028\ufeff\x00é"), max_size=60))
def test_garbage_is_refused_in_words(text: str) -> None:
    """Whatever stands in a file, loading gives resources or problems with places inside of it, never another error."""
    _loads_or_refuses(text)


GOOD = (
    NODE.replace("NAME", "a")
    + "---\n"
    + """\
apiVersion: bivisor/v1alpha1
kind: HypervisorZone
metadata: {name: z, annotations: {bivisor/manage: observe}}
spec:
  hypervisor: vmware
  computes:
    - {cluster: c, host: h, weight: 1.5}
  volumes: {driver: nfs, shares: [a]}
  also: {user: x}
"""
)
PIECES = [
    "\n",
    "  ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "no",
    "1",
    "~",
    "&a ",
    "*a",
    "<<: ",
    "!x ",
    "- ",
    "'",
    "\t",
    "null",
    "spec",
    "x: y",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=3))
def test_damaged_documents_are_refused_in_words(damages: list[tuple[int, int, str]]) -> None:
    """The same holds for good documents with pieces cut out and others put in."""
    text = GOOD
    for place, length, piece in damages:
        text = text[:place] + piece + text[place + length :]
    _loads_or_refuses(text)


NAMES = st.text(st.sampled_from("abcxyz"), min_size=1, max_size=4).filter(lambda name: name not in {"y", "n"})
VALUES = st.recursive(
    st.sampled_from(["text", "with: colon", "", "multi\nline"]) | st.integers(0, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, min_size=1), st.sampled_from([None, True, False]), st.integers(2, 6))
def test_every_position_points_at_its_key(value: dict[str, Any], flow: bool | None, indent: int) -> None:  # noqa: FBT001 - data
    """In whatever style a document is written, the place of each field is where its key begins."""
    from reconciler.core.documents import read_documents  # noqa: PLC0415 - only this test looks below load

    text = yaml.safe_dump(value, default_flow_style=flow, indent=indent, width=1000)
    ((document,), refused) = read_documents("f", text)
    assert not refused
    assert document.value == value
    lines = text.split("\n")
    for path, (line, column) in document.positions.places.items():
        if path and isinstance(path[-1], str):
            assert lines[line - 1][column - 1 :].startswith(path[-1])
