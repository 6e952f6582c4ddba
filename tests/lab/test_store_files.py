"""What Ceph and Swift are configured with, without running them."""

from __future__ import annotations

import base64
from configparser import ConfigParser

from tests.lab import ceph, swift
from tests.lab.keys import ceph_key


def parsed(text: str) -> ConfigParser:
    """The text of an INI file, read by somebody else than who wrote it."""
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def test_a_ceph_key_follows_from_its_name_alone() -> None:
    """Each user has a key of its own in Ceph's form, and the same one in every lab."""
    key = base64.b64decode(ceph_key("client.cinder"))
    assert (key[:2], key[10:12], len(key)) == (b"\1\0", b"\x10\0", 28)
    assert ceph_key("client.cinder") == ceph_key("client.cinder") != ceph_key("client.glance")


def test_the_monitor_knows_the_keys_that_hosts_are_given() -> None:
    """Every user and every daemon has in the cluster the key that its own keyring holds, and rights there."""
    files = ceph.files()
    seed = parsed(next(text for path, text in files.items() if path.endswith("seed.keyring")))
    own = [text for path, text in files.items() if path.endswith("keyring") and "seed" not in path]
    given = [parsed(text) for text in [*own, *(ceph.keyring(f"client.{user}") for user in ceph.USERS)]]
    entities = {entity: keyring[entity]["key"] for keyring in given for entity in keyring.sections()}
    assert entities == {entity: seed[entity]["key"] for entity in seed.sections() if entity != "mon."}
    assert all("caps mon" in seed[entity] for entity in seed.sections())


def test_a_client_is_told_where_ceph_is_and_nothing_more() -> None:
    """The configuration that is handed over names the cluster and its monitor; a keyring holds one key and no rights."""
    assert parsed(ceph.conf())["global"] == parsed(ceph.files()["/etc/ceph/ceph.conf"])["global"]
    assert parsed(ceph.conf()).sections() == ["global"]
    assert {section: [*options] for section, options in parsed(ceph.keyring("client.cinder")).items() if options} == {
        "client.cinder": ["key"]
    }


def test_every_part_of_swifts_pipelines_is_declared() -> None:
    """Each filter and application that a server's pipeline names has its section, and each ring's server its port."""
    for path, text in swift.files().items():
        conf = parsed(text)
        if "pipeline:main" not in conf:
            continue
        *filters, application = conf["pipeline:main"]["pipeline"].split()
        declared = {f"app:{application}", *(f"filter:{name}" for name in filters)}
        assert declared == {section for section in conf.sections() if section.startswith(("app:", "filter:"))}, path
    ports = {
        server: parsed(swift.files()[f"/etc/swift/{server}-server.conf"])["DEFAULT"]["bind_port"] for server in swift.RINGS
    }
    assert ports == {server: str(port) for server, port in swift.RINGS.items()}
