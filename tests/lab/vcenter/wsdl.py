"""Writes the vSphere WSDL that oslo.vmware asks a vCenter for.

oslo.vmware loads `/sdk/vimService.wsdl` with suds. Its package holds the schemas of the data types,
but not the service, whose files only a vCenter has. What is missing can be derived: which methods
the OpenStack drivers call is in their sources, and the parameters and results of each method are in
govmomi's Go types, whose struct tags are the XML names.

Input: the folder of govmomi's sources, and a `dist-packages` folder with oslo_vmware and the drivers
(nova, cinder, glance_store, os_brick; those that are absent just need nothing).
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SERVICE = "vimService.wsdl"
_BINDING = "vim.wsdl"
_MESSAGES = "vim-messagetypes.xsd"
_TYPES = ("core-types.xsd", "query-types.xsd", "vim-types.xsd", "reflect-types.xsd")
_TYPES_VERSION = "7.0"
"""The newest schemas in oslo.vmware 4.0."""
_SOAP_ACTION = "urn:vim25/7.0"

_DRIVERS = (
    "oslo_vmware/**/*.py",
    "nova/virt/vmwareapi/*.py",
    "cinder/volume/drivers/vmware/*.py",
    "glance_store/_drivers/vmware_datastore.py",
    "os_brick/initiator/connectors/vmware.py",
)

_XSD_OF_GO = {
    "string": "xsd:string",
    "bool": "xsd:boolean",
    "byte": "xsd:byte",
    "int16": "xsd:short",
    "int32": "xsd:int",
    "int64": "xsd:long",
    "float32": "xsd:float",
    "float64": "xsd:double",
    "time.Time": "xsd:dateTime",
    "url.URL": "xsd:anyURI",
    "AnyType": "xsd:anyType",
}

_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) (\w+)$", re.MULTILINE)
_FIELD = re.compile(r'^\s*\w+\s+(\S+)\s+`xml:"([^"]+)"', re.MULTILINE)
_METHOD = re.compile(r"^func (\w+)\(ctx context\.Context", re.MULTILINE)
_SCHEMA_TYPE = re.compile(r'<(?:complexType|simpleType) name="(\w+)"')


class WsdlError(Exception):
    """The sources do not hold what the WSDL is derived from."""


@dataclass(frozen=True, slots=True)
class Element:
    """One parameter or result: XML name, XSD type, and how often it may come."""

    name: str
    type: str
    optional: bool
    many: bool

    def xml(self) -> str:
        """As an element of a sequence."""
        few = ' minOccurs="0"' if self.optional else ""
        lot = ' maxOccurs="unbounded"' if self.many else ""
        return f"<element name={quoteattr(self.name)} type={quoteattr(self.type)}{few}{lot}/>"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method. `request` is None where oslo.vmware's schemas already have its request type."""

    name: str
    request: tuple[Element, ...] | None
    response: tuple[Element, ...]


def write_wsdl(govmomi: Path, packages: Path, folder: Path) -> tuple[str, ...]:
    """Write the WSDL and all schemas into `folder`; return the names of the methods in it.

    Raises `WsdlError` when a source is missing or a type is unknown to the schemas.
    """
    schemas = packages / "oslo_vmware" / "wsdl" / _TYPES_VERSION
    if not schemas.is_dir():
        raise WsdlError(f"{schemas} is no folder: {packages} has no oslo.vmware with schemas {_TYPES_VERSION}")
    known = frozenset(name for file in _TYPES for name in _SCHEMA_TYPE.findall((schemas / file).read_text()))
    source = _GoSource.read(govmomi)
    words = _words(packages)
    operations = [source.operation(name, known) for name in source.methods if name in words]
    folder.mkdir(parents=True, exist_ok=True)
    for file in _TYPES:
        shutil.copyfile(schemas / file, folder / file)
    (folder / _MESSAGES).write_text(_messages(operations))
    (folder / _BINDING).write_text(_binding(operations))
    # Last, because its presence says that all are there.
    (folder / SERVICE).write_text(_SERVICE_DOCUMENT)
    return tuple(operation.name for operation in operations)


def _words(packages: Path) -> frozenset[str]:
    """Every identifier in the drivers' sources: a method name among them may be called."""
    files = {file for pattern in _DRIVERS for file in packages.glob(pattern)}
    return frozenset(word for file in files for word in re.findall(r"\w+", file.read_text()))


@dataclass(frozen=True, slots=True)
class _GoSource:
    """What govmomi's generated sources say. `structs` maps a name to the struct's body."""

    methods: tuple[str, ...]
    structs: Mapping[str, str]
    aliases: Mapping[str, str]

    @classmethod
    def read(cls, govmomi: Path) -> _GoSource:
        types = govmomi / "vim25" / "types" / "types.go"
        methods = govmomi / "vim25" / "methods" / "methods.go"
        for file in (types, methods):
            if not file.is_file():
                raise WsdlError(f"{file} is missing: {govmomi} is not govmomi's source")
        text = types.read_text()
        return cls(
            methods=tuple(_METHOD.findall(methods.read_text())),
            structs=dict(_STRUCT.findall(text)),
            aliases=dict(_ALIAS.findall(text)),
        )

    def operation(self, name: str, known: frozenset[str]) -> Operation:
        request_type = f"{name}RequestType"
        body = self.structs.get(self.aliases.get(name, name), "")
        return Operation(
            name=name,
            request=None if request_type in known else _elements(body, known),
            response=_elements(self.structs.get(f"{name}Response", ""), known),
        )


def _elements(body: str, known: frozenset[str]) -> tuple[Element, ...]:
    found = []
    for go_type, tag in _FIELD.findall(body):
        name, *options = tag.split(",")
        found.append(
            Element(
                name=name,
                type=_xsd_type(go_type.lstrip("[]*"), known),
                optional="omitempty" in options or go_type.startswith("*"),
                many=go_type.startswith("[]"),
            )
        )
    return tuple(found)


def _xsd_type(go_type: str, known: frozenset[str]) -> str:
    """Find the schema's name; govmomi calls the interface of an extensible type `Base…`."""
    if go_type in _XSD_OF_GO:
        return _XSD_OF_GO[go_type]
    for candidate in (go_type, go_type.removeprefix("Base")):
        if candidate in known:
            return f"vim25:{candidate}"
    raise WsdlError(f"govmomi's type {go_type} is not in oslo.vmware's schemas {_TYPES_VERSION}")


_NAMESPACES = (
    'xmlns="http://www.w3.org/2001/XMLSchema" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:vim25="urn:vim25" xmlns:reflect="urn:reflect"'
)

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def _messages(operations: Sequence[Operation]) -> str:
    """The schema of the request types that oslo.vmware does not bring."""
    return "\n".join(
        [
            _HEAD,
            f'<schema targetNamespace="urn:vim25" {_NAMESPACES} elementFormDefault="qualified">',
            *(f"<include schemaLocation={quoteattr(file)}/>" for file in _TYPES if file != "reflect-types.xsd"),
            *(
                f'<complexType name="{operation.name}RequestType">{_sequence(operation.request)}</complexType>'
                for operation in operations
                if operation.request is not None
            ),
            "</schema>\n",
        ]
    )


def _sequence(elements: Iterable[Element]) -> str:
    return f"<sequence>{''.join(element.xml() for element in elements)}</sequence>"


def _binding(operations: Sequence[Operation]) -> str:
    """The WSDL proper: elements, messages, port type, binding."""
    names = [operation.name for operation in operations]
    return "\n".join(
        [
            _HEAD,
            (
                '<definitions targetNamespace="urn:vim25" xmlns="http://schemas.xmlsoap.org/wsdl/" '
                'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:vim25="urn:vim25">'
            ),
            "<types>",
            f'<schema targetNamespace="urn:vim25" {_NAMESPACES} elementFormDefault="qualified">',
            '<import namespace="urn:reflect" schemaLocation="reflect-types.xsd"/>',
            *(f"<include schemaLocation={quoteattr(file)}/>" for file in _TYPES if file != "reflect-types.xsd"),
            f'<include schemaLocation="{_MESSAGES}"/>',
            *(_operation_elements(operation) for operation in operations),
            "</schema>",
            "</types>",
            *(_operation_messages(name) for name in names),
            '<portType name="VimPortType">',
            *(
                f'<operation name="{name}"><input message="vim25:{name}RequestMsg"/>'
                f'<output message="vim25:{name}ResponseMsg"/></operation>'
                for name in names
            ),
            "</portType>",
            '<binding name="VimBinding" type="vim25:VimPortType">',
            '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>',
            *(
                f'<operation name="{name}"><soap:operation soapAction="{_SOAP_ACTION}" style="document"/>'
                '<input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>'
                for name in names
            ),
            "</binding>",
            "</definitions>\n",
        ]
    )


def _operation_elements(operation: Operation) -> str:
    return (
        f'<element name="{operation.name}" type="vim25:{operation.name}RequestType"/>\n'
        f'<element name="{operation.name}Response"><complexType>{_sequence(operation.response)}</complexType></element>'
    )


def _operation_messages(name: str) -> str:
    return (
        f'<message name="{name}RequestMsg"><part name="parameters" element="vim25:{name}"/></message>\n'
        f'<message name="{name}ResponseMsg"><part name="parameters" element="vim25:{name}Response"/></message>'
    )


_SERVICE_DOCUMENT = f"""{_HEAD}
<definitions targetNamespace="urn:vim25Service" xmlns="http://schemas.xmlsoap.org/wsdl/"
 xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:vim25="urn:vim25">
<import location="{_BINDING}" namespace="urn:vim25"/>
<service name="VimService"><port binding="vim25:VimBinding" name="VimPort">
<soap:address location="https://localhost/sdk"/></port></service>
</definitions>
"""
