"""A simulator for each test, and a real client (pyVmomi) that talks to it."""

from __future__ import annotations

import os
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyVmomi import SoapStubAdapter, vim

from tests.lab.errors import LabError
from tests.lab.image import base_layer, build_image
from tests.lab.layout import CACHE
from tests.lab.progress import Progress
from tests.lab.requirements import check_machine
from tests.lab.vcenter.build import build, govmomi_sources
from tests.lab.vcenter.certificates import Certificates, ensure_certificates
from tests.lab.vcenter.process import PASSWORD, Running, Settings, running
from tests.lab.vcenter.wsdl import write_wsdl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def cache_dir() -> Path:
    """Where the binary is kept: with the lab's other caches, or in the repository for who may not write there."""
    return CACHE if os.access(CACHE if CACHE.exists() else CACHE.parent, os.W_OK) else _REPOSITORY / "build"


@pytest.fixture(scope="session")
def binary(request: pytest.FixtureRequest, cache_dir: Path) -> Path:
    """The compiled simulator; the first time takes a minute and a half."""
    try:
        return build(cache_dir)
    except LabError as error:
        if request.config.getoption("--require-lab"):
            raise
        pytest.skip(f"the vCenter simulator cannot be built here: {error}")


@pytest.fixture(scope="session")
def image(request: pytest.FixtureRequest) -> Path:
    """Root of the lab's image."""
    try:
        check_machine()
    except LabError as error:
        if request.config.getoption("--require-lab"):
            raise
        pytest.skip(str(error))
    build_image(Progress())
    return base_layer()


@pytest.fixture(scope="session")
def wsdl(image: Path, cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schema for the drivers of the image."""
    folder = tmp_path_factory.mktemp("wsdl")
    methods = write_wsdl(govmomi_sources(cache_dir), image / "usr/lib/python3/dist-packages", folder)
    assert {"CreateVM_Task", "ReconfigVM_Task", "RetrievePropertiesEx", "CopyVirtualDisk_Task"} <= set(methods)
    return folder


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of a CA of this test run."""
    return ensure_certificates(tmp_path_factory.mktemp("tls"), ["127.0.0.1", "localhost"])


@pytest.fixture
def vcenter(binary: Path, certificates: Certificates, tmp_path: Path) -> Iterator[Running]:
    """A fresh simulator with two clusters of three hosts, two datastores and no machines."""
    with running(binary, Settings(certificates, home=tmp_path / "home"), tmp_path / "vcenter.log") as vcenter:
        yield vcenter


@pytest.fixture
def login(vcenter: Running) -> Callable[..., AbstractContextManager[Any]]:
    """Logs in with pyVmomi, checking the server's certificate; the session ends with the block."""

    @contextmanager
    def log_in(password: str = PASSWORD, *, timeout_s: float | None = None) -> Iterator[Any]:
        stub = SoapStubAdapter(
            host=vcenter.host,
            port=vcenter.port,
            version="vim.version.version9",
            sslContext=ssl.create_default_context(cafile=str(vcenter.settings.certificates.ca)),
            httpConnectionTimeout=timeout_s,
        )
        client: Any = vim.ServiceInstance("ServiceInstance", stub)
        try:
            client.content.sessionManager.Login(vcenter.settings.user, password)
            yield client
        finally:
            # Not by way of pyVim.connect: its connections stay open when a login is refused.
            stub.DropConnections()

    return log_in
