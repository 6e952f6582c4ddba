"""The editor of oslo.config files keeps what it does not own, byte for byte, and reads as the services read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from resources.ini import BrokenIniError, UnwritableError, edit, oslo_escape, parse, split_lines

PACKAGED = """\
# Packaged file, edited by hand.
[DEFAULT]
# host = <the host's name>
state_path=/var/lib/nova
transport_url : rabbit://old
enabled_backends = kvm,
    vmdk

; the end of the section
[VMware]
host_ip = 10.0.0.1   \n\
# datastore_regex = .*

[vmware]
host_ip = 10.0.0.2"""


def edited(text: str, **wanted: tuple[str, ...]) -> str:
    """Set options of [DEFAULT]."""
    return edit(parse(text), {("DEFAULT", key): values for key, values in wanted.items()})


def test_reading() -> None:
    """Values come as oslo.config reads them: continued, unquoted, repeated, sections without regard to case."""
    document = parse(PACKAGED + '\nhost_password = " a#b "\n')
    assert document.values("DEFAULT", "state_path") == ("/var/lib/nova",)
    assert document.values("DEFAULT", "transport_url") == ("rabbit://old",)
    assert document.values("DEFAULT", "enabled_backends") == ("kvm,\nvmdk",)
    assert document.values("DEFAULT", "host") == ()
    assert document.values("vmware", "host_ip") == ("10.0.0.1", "10.0.0.2")
    assert document.values("VMWARE", "host_password") == (" a#b ",)
    assert document.values("default", "state_path") == ()
    assert document.values("DEFAULT", "STATE_PATH") == ()


def test_a_changed_line_keeps_its_style() -> None:
    """The name, the sign and the spaces of a line stay; only the value is another."""
    text = edited(PACKAGED, state_path=("/srv",), transport_url=("rabbit://new",), enabled_backends=("vmdk",))
    expected = PACKAGED.replace("/var/lib/nova", "/srv").replace("rabbit://old", "rabbit://new")
    assert text == expected.replace("kvm,\n    vmdk", "vmdk")


def test_a_new_option_goes_to_the_end_of_its_section() -> None:
    """It stands after the section's last option, before the blank line and the comments that lead to the next."""
    assert edited(PACKAGED, host=("kvm1",)) == PACKAGED.replace("    vmdk\n", "    vmdk\nhost = kvm1\n")


def test_a_commented_default_is_left() -> None:
    """`# key = value` is a comment like any other."""
    text = edit(parse(PACKAGED), {("vmware", "datastore_regex"): ("^ssd",)})
    assert "# datastore_regex = .*\n" in text
    assert parse(text).values("vmware", "datastore_regex") == ("^ssd",)


def test_a_new_section_goes_to_the_end() -> None:
    """After a line without an end it gets one, and a blank line stands between."""
    text = edit(parse(PACKAGED), {("libvirt", "virt_type"): ("qemu",), ("libvirt", "cpu_mode"): ("none",)})
    assert text == PACKAGED + "\n\n[libvirt]\nvirt_type = qemu\ncpu_mode = none\n"
    assert edit(parse(""), {("libvirt", "virt_type"): ("qemu",)}) == "[libvirt]\nvirt_type = qemu\n"


def test_no_values_remove_every_occurrence() -> None:
    """In each section of that name; nothing else moves."""
    text = edit(parse(PACKAGED), {("vmware", "host_ip"): ()})
    assert text == PACKAGED.replace("host_ip = 10.0.0.1   \n", "").replace("host_ip = 10.0.0.2", "")


def test_repeated_options() -> None:
    """A multi-valued option keeps its first lines, grows after its last and shrinks at its end."""
    text = "[DEFAULT]\na = 1\nb = 0\na = 2\nc = 0\n"
    assert edited(text, a=("1", "3", "4")) == "[DEFAULT]\na = 1\nb = 0\na = 3\na = 4\nc = 0\n"
    assert edited(text, a=("2",)) == "[DEFAULT]\na = 2\nb = 0\nc = 0\n"


def test_line_ends_are_kept() -> None:
    """A CRLF file gets CRLF lines."""
    assert edited("[DEFAULT]\r\na = 1\r\n", a=("2",), b=("3\n4",)) == "[DEFAULT]\r\na = 2\r\nb = 3\r\n    4\r\n"


def test_an_empty_value_gets_a_space() -> None:
    """`key =` becomes `key = value`."""
    assert edited("[DEFAULT]\nenabled_backends =\n", enabled_backends=("kvm",)) == "[DEFAULT]\nenabled_backends = kvm\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[DEFAULT]\nhost kvm1\n", 'line 2: neither "=" nor ":" after an option name'),
        ("host = kvm1\n", "line 1: an option before the first section"),
        ("[DEFAULT\n", 'line 1: a section begins with "[" and must end with "]"'),
        ("[]\n", "line 1: the section has no name"),
        ("[DEFAULT]\n= 1\n", "line 2: the option has no name"),
        ("[DEFAULT]\n# x\n  y\n", "line 3: it is indented, but there is no option right above that it could continue"),
    ],
)
def test_what_a_service_refuses(text: str, message: str) -> None:
    """A file that oslo.config cannot read is an error with the line, as it is for oslo.config."""
    with pytest.raises(BrokenIniError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert oslo_reads(text) is None


@pytest.mark.parametrize("value", ["a\n\nb", "a\n b", "a\nb ", "a\rb"])
def test_what_the_format_cannot_hold(value: str) -> None:
    """A value that would be read back as another one is refused."""
    with pytest.raises(UnwritableError):
        edited("[DEFAULT]\n", a=(value,))


def oslo_reads(text: str) -> dict[str, dict[str, list[str]]] | None:
    """Read the file with the real parser of oslo.config; None when it refuses the file."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "service.conf")
        path.write_bytes(text.encode())
        normalized: dict[str, dict[str, list[str]]] = {}
        parser = cfg.ConfigParser(str(path), {})
        parser._add_normalized(normalized)
        try:
            parser.parse()
        except Exception as error:
            # the parser itself fails while it reports an option before the first section
            if not isinstance(error, cfg.ParseError | TypeError):
                raise
            return None
        return normalized


LINES = (
    *("[DEFAULT]", "[vmware]", "[VMware]", "[default]", "", "  ", "# host = x", "; note", "host = a", "host: b=c"),
    *("port=1", "port   =  'quoted'", "url = a:b", "\tmore", "  # no comment", "broken", "[open", 'name = "'),
    *('name = " x "', "\x0b a = 1"),
)
TEXTS = st.builds(
    lambda lines, end, last: end.join(lines) + last,
    st.lists(st.sampled_from(LINES), max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n"]),
)
VALUES = st.text(alphabet=st.sampled_from("ab =:#;[]'\"$%\\\té\u00a0"), max_size=6)
OPTIONS = st.tuples(st.sampled_from(["DEFAULT", "vmware", "Libvirt"]), st.sampled_from(["host", "port", "name", "new"]))
EDITS = st.dictionaries(OPTIONS, st.lists(VALUES, max_size=3).map(tuple), max_size=5)


def in_sections(text: str) -> dict[str, dict[str, list[str]]]:
    """Read the file with our own parser, in the shape of `oslo_reads`."""
    document = parse(text)
    read: dict[str, dict[str, list[str]]] = {section: {} for section in document.sections}
    for entry in document.entries:
        read[entry.section].setdefault(entry.key, []).append(entry.value)
    return read


@given(TEXTS)
def test_reads_as_oslo_config_does(text: str) -> None:
    """Whatever the file looks like, the real parser reads the same from it, or refuses it too."""
    real = oslo_reads(text)
    if real is None:
        with pytest.raises(BrokenIniError):
            parse(text)
    else:
        assert in_sections(text) == real


@given(TEXTS, EDITS)
def test_an_edit_says_what_was_wanted_and_leaves_the_rest(text: str, wanted: dict[tuple[str, str], tuple[str, ...]]) -> None:
    """After an edit the real parser reads the wanted values; every foreign line is there, in order, byte for byte."""
    if oslo_reads(text) is None:
        return
    before = parse(text)
    after = edit(before, wanted)
    real = oslo_reads(after)
    assert real is not None
    for (section, key), values in wanted.items():
        assert tuple(real.get(section if section == "DEFAULT" else section.lower(), {}).get(key, [])) == values
    owned = {(section if section == "DEFAULT" else section.lower(), key) for section, key in wanted}
    assert foreign_lines(after, owned) == foreign_lines(text, owned)


def foreign_lines(text: str, owned: set[tuple[str, str]]) -> list[str]:
    """Return the lines that belong to no owned option, without blank lines and headings that an edit may add."""
    document = parse(text)
    ours = {
        number for entry in document.entries if (entry.section, entry.key) in owned for number in range(entry.start, entry.end)
    }
    kept = [line for number, line in enumerate(document.lines) if number not in ours]
    return [line.rstrip("\r\n") for line in kept if line.strip() and line.strip() != "[Libvirt]" and not line.startswith("[")]


@given(TEXTS)
def test_lines_join_to_the_text(text: str) -> None:
    """Splitting loses nothing."""
    assert "".join(split_lines(text)) == text


@given(TEXTS, EDITS)
def test_an_edit_that_changes_nothing_is_the_identity(text: str, wanted: dict[tuple[str, str], tuple[str, ...]]) -> None:
    """Setting what is there already gives the same bytes."""
    if oslo_reads(text) is None:
        return
    once = edit(parse(text), wanted)
    assert edit(parse(once), wanted) == once


@given(TEXTS, EDITS)
def test_the_order_of_edits_does_not_matter(text: str, wanted: dict[tuple[str, str], tuple[str, ...]]) -> None:
    """One option after the other, in any order, reads as all at once."""
    if oslo_reads(text) is None:
        return
    one_by_one = text
    for option, values in reversed(wanted.items()):
        one_by_one = edit(parse(one_by_one), {option: values})
    read, together = parse(one_by_one), parse(edit(parse(text), wanted))
    assert all(read.values(*option) == together.values(*option) for option in wanted)


@given(st.text(alphabet="ab$\\{}_ ", max_size=12))
def test_an_escaped_value_is_read_back(value: str) -> None:
    r"""A password with `$`, `${name}` or `\$` reaches the service as it is."""
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("password"))
    with TemporaryDirectory() as folder:
        path = Path(folder, "service.conf")
        path.write_text(edit(parse(""), {("DEFAULT", "password"): (oslo_escape(value),)}))
        conf(args=[], default_config_files=[str(path)])
        assert conf.password == value
