"""A login to a vCenter over pyVmomi. Everything here blocks: it runs in a thread.

pyVmomi takes a tenth of a second to import, so it is imported when a session is opened.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

from reconciler.targets import TargetError
from reconciler.targets.fence import UNFENCED, Fence
from reconciler.targets.fenced_http import fenced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.endpoints import VCenterEndpoint

_API = "vim.version.version9"
"""API 5.5: what is read here is older than any vCenter in use, so no version has to be negotiated."""

_CUT = (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
"""How a connection shows itself that the other end has closed, by the moment: while it is read, written, or encrypted."""

_HASHES = {40: "sha1", 64: "sha256", 128: "sha512"}
"""Length of a thumbprint in hexadecimal digits to its hash; vCenter's own pages show SHA-1 and SHA-256."""


class LoginRefusedError(Exception):
    """vCenter answered, and does not let us in. `fault` is the name of its fault, such as InvalidLogin."""

    def __init__(self, fault: str) -> None:
        """Keep the fault."""
        super().__init__(fault)
        self.fault = fault


class HalfAnswerError(Exception):
    """vCenter answered, but not all that was asked; nothing in such an answer is taken for absent."""


class LostSessionError(Exception):
    """The session that was kept has ended, or its connection; a new one may do."""


@dataclass(frozen=True, slots=True)
class Session:
    """A login that works. `content` is pyVmomi's ServiceContent."""

    content: Any = field(repr=False)
    stub: Any = field(repr=False)

    def prove(self) -> None:
        """Ask vCenter whether it still knows the session. Raises LostSessionError, and what pyVmomi raises."""
        with reading():
            if self.content.sessionManager.currentSession is None:
                raise LostSessionError

    def close(self) -> None:
        """Log out, as far as possible: vCenter keeps about 1000 sessions and each idle one for half an hour."""
        with suppress(Exception):
            self.content.sessionManager.Logout()
        self.drop()

    def drop(self) -> None:
        """Close the connections without a word: of a session that is lost, or that nobody answers for."""
        self.stub.DropConnections()


def open_session(endpoint: VCenterEndpoint, *, socket_timeout_s: float, fence: Fence = UNFENCED) -> Session:
    """Connect and log in. Raises TargetError when there is no answer to trust, LoginRefusedError when it is a refusal."""
    from pyVmomi import SoapStubAdapter, vim  # noqa: PLC0415 - see the module's docstring

    stub = SoapStubAdapter(
        host=endpoint.host,
        port=endpoint.port,
        version=_API,
        sslContext=_tls(endpoint),
        httpConnectionTimeout=socket_timeout_s,
    )
    if endpoint.thumbprint:
        # pyVmomi's own check is skipped for a certificate that the system trusts, and for each connection after the first
        stub.scheme = _PinnedConnection
        stub.schemeArgs["thumbprint"] = endpoint.thumbprint
    stub.scheme = fenced(stub.scheme, fence)
    try:
        content: Any = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent()
        content.sessionManager.Login(endpoint.username, endpoint.password.reveal, None)
    except (vim.fault.InvalidLogin, vim.fault.NoPermission, vim.fault.PasswordExpired) as fault:
        stub.DropConnections()
        raise LoginRefusedError(_fault(fault)) from None
    except Exception as error:
        stub.DropConnections()
        raise explain(endpoint, error, socket_timeout_s) from error
    return Session(content, stub)


@contextmanager
def reading() -> Iterator[None]:
    """Turn the end of a session or of its connection, which a new session would mend, into LostSessionError.

    A view belongs to its session, so in the middle of a listing its end shows as an object that is not found.
    """
    from pyVmomi import vim, vmodl  # noqa: PLC0415 - see the module's docstring

    try:
        yield
    except (vim.fault.NotAuthenticated, vmodl.fault.ManagedObjectNotFound, *_CUT) as error:
        raise LostSessionError from error


def explain(endpoint: VCenterEndpoint, error: BaseException, socket_timeout_s: float) -> TargetError:
    """Return the error as a sentence for a person, with what to do about it."""
    if isinstance(error, TargetError):
        return error
    place = f"{endpoint.host}:{endpoint.port}"
    match error:
        case _ThumbprintError():
            reason = f"{place} {error}"
        case ssl.SSLCertVerificationError():
            reason = _distrust(endpoint, error, socket_timeout_s)
        case OSError():
            reason = _unreached(endpoint, error, socket_timeout_s)
        case LostSessionError():
            reason = f"{place} ended the session, or the connection, while it was read"
        case http.client.HTTPException() | ExpatError() | HalfAnswerError():
            reason = f"half an answer from {place}: {error}"
        case _:
            reason = f"{place} answered {_fault(error)}: {getattr(error, 'msg', None) or error}"
    never = isinstance(error, _ThumbprintError | ssl.SSLCertVerificationError)
    return TargetError(endpoint.target, reason, retry=not never)


def _unreached(endpoint: VCenterEndpoint, error: OSError, socket_timeout_s: float) -> str:
    place = f"{endpoint.host}:{endpoint.port}"
    match error:
        case ssl.SSLError() if not isinstance(error, ssl.SSLEOFError):
            return f"{place} does not speak TLS as a vCenter does: {error.reason or error}"
        case TimeoutError():
            return f"no answer from {place} within {socket_timeout_s:g} s"
        case socket.gaierror():
            return f'the name "{endpoint.host}" does not resolve: {error.strerror}'
        case ConnectionRefusedError():
            return f"nothing listens on {place}"
        case _:
            return f"the connection to {place} failed: {error}"


def _fault(error: BaseException) -> str:
    """Return the name of a fault as vCenter's own documents spell it."""
    return type(error).__name__.rpartition(".")[2]


def _tls(endpoint: VCenterEndpoint) -> ssl.SSLContext:
    if endpoint.thumbprint or endpoint.insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=endpoint.ca_file or None)
    except OSError as error:
        reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise TargetError(endpoint.target, f"the CA file {endpoint.ca_file} is unusable: {reason}", retry=False) from error


class _PinnedConnection(http.client.HTTPSConnection):
    """Trusts one certificate, by its thumbprint, and checks it before anything is sent."""

    def __init__(self, *args: Any, thumbprint: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._thumbprint = thumbprint

    def connect(self) -> None:
        super().connect()
        wanted = self._thumbprint.replace(":", "").replace(" ", "").lower()
        presented = self.sock.getpeercert(binary_form=True) or b""
        digest = _HASHES.get(len(wanted))
        if digest is None or hashlib.new(digest, presented).hexdigest() != wanted:
            self.close()
            shown = _thumbprint(presented, digest or "sha256")
            raise _ThumbprintError(
                f"presents the thumbprint {shown}, declared is {self._thumbprint}; if its certificate was renewed, "
                "compare the new thumbprint with the one that vCenter itself shows, then declare it in tls.thumbprint"
            )


class _ThumbprintError(Exception):
    """The certificate is not the pinned one."""


def _distrust(endpoint: VCenterEndpoint, error: ssl.SSLCertVerificationError, socket_timeout_s: float) -> str:
    """Say why the certificate is not trusted, and which one it is."""
    place, by = f"{endpoint.host}:{endpoint.port}", endpoint.ca_file or "the system's authorities"
    said = f"the certificate of {place} is not trusted by {by}: {error.verify_message}"
    try:
        pem = ssl.get_server_certificate((endpoint.host, endpoint.port), timeout=socket_timeout_s)
    except OSError:
        return said
    shown = _thumbprint(ssl.PEM_cert_to_DER_cert(pem), "sha256")
    return (
        f"{said}. Declare the authority that signed it in tls.caFile; or, if vCenter itself shows the SHA-256 thumbprint "
        f"{shown}, which is presented here, declare that in tls.thumbprint"
    )


def _thumbprint(der: bytes, digest: str) -> str:
    text = hashlib.new(digest, der).hexdigest().upper()
    return ":".join(text[index : index + 2] for index in range(0, len(text), 2))
