"""The simulator's program, its certificates and its schema."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.errors import LabError
from tests.lab.vcenter import build
from tests.lab.vcenter.certificates import ensure_certificates
from tests.lab.vcenter.process import Settings, running
from tests.lab.vcenter.wsdl import WsdlError, write_wsdl

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.vcenter.certificates import Certificates

pytestmark = pytest.mark.timeout(900)


def test_second_build_costs_nothing(binary: Path, cache_dir: Path) -> None:
    """A binary of the same sources is taken as it is, without a word."""
    said: list[str] = []
    assert build.build(cache_dir, said.append) == binary
    assert said == []


@pytest.mark.parametrize("command", [["gofmt", "-l", "."], ["go", "vet", "."], ["go", "test", "."]], ids=" ".join)
def test_go_sources(binary: Path, cache_dir: Path, command: list[str]) -> None:
    """The Go sources are formatted, free of what vet finds, and pass their own tests."""
    assert binary.exists()
    go = build.go_tool(cache_dir, print)
    tool = go.removesuffix("go") + command[0]
    done = subprocess.run([tool, *command[1:]], cwd=build.SOURCES, capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, done.stdout if command[0] == "gofmt" else "") == (0, ""), done.stdout + done.stderr


def test_failed_start_says_why(binary: Path, certificates: Certificates, tmp_path: Path) -> None:
    """A simulator that cannot have its port ends with the reason."""
    with (
        running(binary, Settings(certificates, home=tmp_path), tmp_path / "first.log") as first,
        pytest.raises(LabError, match="address already in use"),
        running(binary, Settings(certificates, listen=f"{first.host}:{first.port}", home=tmp_path), tmp_path / "second.log"),
    ):
        pass


def test_nothing_stays(binary: Path, certificates: Certificates, tmp_path: Path) -> None:
    """When the simulator ends, the datastores' files are gone."""
    home = tmp_path / "home"
    with running(binary, Settings(certificates, home=home), tmp_path / "log"):
        assert len(list(home.iterdir())) == 1
    assert list(home.iterdir()) == []


def test_certificates_are_kept(tmp_path: Path) -> None:
    """Certificates are made anew only for a name that they do not have."""
    first = ensure_certificates(tmp_path, ["127.0.0.1", "vcenter"]).cert.read_bytes()
    assert ensure_certificates(tmp_path, ["vcenter"]).cert.read_bytes() == first
    assert ensure_certificates(tmp_path, ["10.77.0.1"]).cert.read_bytes() != first


def test_certificate_without_a_name(tmp_path: Path) -> None:
    """No name, no certificate."""
    with pytest.raises(ValueError, match="at least one name"):
        ensure_certificates(tmp_path, [])


_TYPES = """
type PowerOnRequestType struct {
\tThis ManagedObjectReference `xml:"_this" json:"-"`
\tHost []ManagedObjectReference `xml:"host,omitempty" json:"host"`
}
type PowerOn PowerOnRequestType
type PowerOnResponse struct {
\tReturnval BaseResult `xml:"returnval" json:"returnval"`
}
"""
_METHODS = "func PowerOn(ctx context.Context, r soap.RoundTripper)\nfunc Unused(ctx context.Context)\n"


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    """As small as govmomi and a dist-packages folder can be."""
    govmomi, packages = tmp_path / "govmomi", tmp_path / "packages"
    for folder in ("types", "methods"):
        (govmomi / "vim25" / folder).mkdir(parents=True)
    (govmomi / "vim25/types/types.go").write_text(_TYPES)
    (govmomi / "vim25/methods/methods.go").write_text(_METHODS)
    schemas = packages / "oslo_vmware/wsdl/7.0"
    schemas.mkdir(parents=True)
    for name in ("core-types", "query-types", "reflect-types"):
        (schemas / f"{name}.xsd").write_text("<schema/>")
    (schemas / "vim-types.xsd").write_text('<complexType name="ManagedObjectReference"><complexType name="Result">')
    (packages / "oslo_vmware/api.py").write_text("session.invoke_api(vim, 'PowerOn', vm)")
    return govmomi, packages


def test_wsdl_has_what_is_called(sources: tuple[Path, Path], tmp_path: Path) -> None:
    """The WSDL has the methods that the drivers name, with the parameters of govmomi's types."""
    assert write_wsdl(*sources, tmp_path / "wsdl") == ("PowerOn",)
    messages = (tmp_path / "wsdl/vim-messagetypes.xsd").read_text()
    assert '<element name="host" type="vim25:ManagedObjectReference" minOccurs="0" maxOccurs="unbounded"/>' in messages
    binding = (tmp_path / "wsdl/vim.wsdl").read_text()
    assert '<element name="returnval" type="vim25:Result"/>' in binding
    assert "Unused" not in binding


def test_wsdl_says_what_is_missing(sources: tuple[Path, Path], tmp_path: Path) -> None:
    """A type without a schema, and folders that are not the sources, are errors that name them."""
    govmomi, packages = sources
    with pytest.raises(WsdlError, match=r"has no oslo\.vmware"):
        write_wsdl(govmomi, govmomi, tmp_path / "wsdl")
    with pytest.raises(WsdlError, match="is not govmomi's source"):
        write_wsdl(packages, packages, tmp_path / "wsdl")
    (packages / "oslo_vmware/wsdl/7.0/vim-types.xsd").write_text('<complexType name="Result">')
    with pytest.raises(WsdlError, match="type ManagedObjectReference is not in"):
        write_wsdl(govmomi, packages, tmp_path / "wsdl")
