"""VCenters from the configuration of whatever logs in to one: computes, volume backends, image stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.adoption.draft import Document
from resources.adoption.questions import TRUSTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resources.adoption.draft import Path
    from resources.adoption.seen import Host

_PEM = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Login:
    """How something logs in to a vCenter; `ca_file` is on `seen_on`."""

    host: str
    port: int
    username: str
    password: str
    insecure: bool
    ca_file: str
    seen_on: Host
    who: str


@dataclass(frozen=True, slots=True)
class VCenters:
    """Documents, their secrets and files, and the name by the place (host, port)."""

    documents: tuple[Document, ...]
    secrets: dict[str, str | dict[str, str]]
    files: dict[str, str]
    names: dict[tuple[str, int], str]
    left_out: tuple[str, ...]


def vcenters(logins: Iterable[Login], given: Mapping[str, str]) -> VCenters:
    """Return a document for each vCenter; the first login's account is written, another one is told."""
    by_place: dict[tuple[str, int], list[Login]] = {}
    for login in logins:
        by_place.setdefault((login.host, login.port), []).append(login)
    documents, left_out = [], []
    secrets: dict[str, str | dict[str, str]] = {}
    files: dict[str, str] = {}
    names: dict[tuple[str, int], str] = {}
    free = (
        name for name in (f"vc{number}" for number in range(1, len(by_place) + len(given) + 1)) if name not in given.values()
    )
    for place, found in by_place.items():
        name = given.get(f"{place[0]}:{place[1]}") or given.get(place[0]) or next(free)
        names[place] = name
        login = found[0]
        others = [one for one in found if (one.username, one.password) != (login.username, login.password)]
        left_out += [
            f"{one.who} logs in to {place[0]} by another account than {login.who}: VCenter/{name} has one" for one in others
        ]
        tls, note = _tls(name, login, files)
        secrets[name] = {"username": login.username, "password": login.password}
        spec = {
            "host": login.host,
            "port": login.port if login.port != 443 else None,  # noqa: PLR2004 - the spec's default
            "credentials": {"secret": name},
            "tls": tls,
        }
        notes: dict[Path, str] = {("tls",): note} if note else {}
        if place[0] not in given and f"{place[0]}:{place[1]}" not in given:
            notes[()] = f"its name is a guess (--vcenter NAME={place[0]} gives another)"
        documents.append(Document("VCenter", name, spec, notes))
    known = {text for host, port in by_place for text in (host, f"{host}:{port}")}
    left_out += [
        f"--vcenter {name}={host}: no service on these hosts logs in there" for host, name in given.items() if host not in known
    ]
    return VCenters(tuple(documents), secrets, files, names, tuple(left_out))


def _tls(name: str, login: Login, files: dict[str, str]) -> tuple[dict[str, object], str]:
    """Return the spec's tls and a note."""
    if login.insecure:
        return {"insecure": True}, "as its services do: they check nothing, so whoever sits in between reads the password"
    text = login.seen_on.text(login.ca_file) if login.ca_file else None
    note = ""
    if text is None:
        text = login.seen_on.text(TRUSTED)
        note = (
            f"its services trust the authorities of their hosts; these are {login.seen_on.node}'s: write the one that is meant"
        )
    file = f"{name}-ca.pem"
    if text is None or _PEM not in text:
        files[file] = ""
        return {"caFile": f"../secrets/{file}"}, f"no CA was readable on {login.seen_on.node}: put the vCenter's into this file"
    files[file] = text
    return {"caFile": f"../secrets/{file}"}, note
