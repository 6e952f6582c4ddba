"""HTTP connections that ask the fence before each byte of a write: after connecting and TLS, and again in each retry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.targets.fence import Fence


def fenced(connection: type[Any], fence: Fence) -> type[Any]:
    """Return a class like that of http.client, urllib3 or pyVmomi whose connections heed the fence. They raise FencedError."""

    class Fenced(connection):  # type: ignore[misc] # the base is a value
        def connect(self) -> None:
            super().connect()
            fence.give_up_in_time(self.sock)

        def send(self, data: Any) -> None:
            if self.sock is None:
                self.connect()
            fence.heed()
            super().send(data)

    return Fenced


def fenced_adapter(fence: Fence) -> Any:
    """Return an adapter for keystoneauth's sessions, their own one but for its connections."""
    from keystoneauth1.session import TCPKeepAliveAdapter  # noqa: PLC0415 - imported when a connection is made
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool  # noqa: PLC0415 - as above

    class Http(HTTPConnectionPool):
        ConnectionCls = fenced(HTTPConnectionPool.ConnectionCls, fence)

    class Https(HTTPSConnectionPool):
        ConnectionCls = fenced(HTTPSConnectionPool.ConnectionCls, fence)

    class Adapter(TCPKeepAliveAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": Http, "https": Https}

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = {"http": Http, "https": Https}
            return manager

    return Adapter()
