"""Where a service of one vSphere compute lives: its configuration and its state, each below a directory that siblings share.

The compute and its DVS agent are furnished alike, each for the account that runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.contract import Address, Need
from resources.units.config_file import ConfigFile
from resources.units.directory import Directory
from resources.units.file import WholeFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resources.contract import Unit
    from resources.options import Options
    from resources.published import NodeFacts, VCenterFacts


@dataclass(frozen=True, slots=True)
class Home:
    """That of the service which the account `user` runs for the compute `host`; `conf` is the configuration's file name."""

    user: str
    host: str
    conf: str

    @property
    def folder(self) -> str:
        """The directory of its configuration."""
        return f"/etc/{self.user}/vcenter/{self.host}"

    @property
    def conf_path(self) -> str:
        """Its configuration."""
        return f"{self.folder}/{self.conf}"

    @property
    def ca_path(self) -> str:
        """The CA by which it checks the vCenter, where one is declared."""
        return f"{self.folder}/vcenter-ca.pem"

    @property
    def state(self) -> str:
        """The directory of its state."""
        return f"/var/lib/{self.user}/vcenter/{self.host}"

    @property
    def readable(self) -> Mapping[str, str]:
        """Attributes of a file that only root writes, and only the service reads."""
        return {"mode": "0640", "owner": "root", "group": self.user}

    def made(self, node: NodeFacts) -> Need:
        """Return that the directory of its configuration is there."""
        return Need(Address(node.target, Directory.type, self.folder), "it is in this directory")

    def furnished(
        self, node: NodeFacts, options: Options, vcenter: VCenterFacts, *, installed: tuple[Need, ...], tried: tuple[Need, ...]
    ) -> Iterator[Unit]:
        """Yield the directories, the configuration and the CA; what is its own comes only after everything was tried."""
        etc = {"mode": "0750", "owner": "root", "group": self.user}
        var = {"mode": "0750", "owner": self.user, "group": self.user}
        for path, attributes in ((self.folder, etc), (self.state, var)):
            shared = Directory.at(node.target, path.rpartition("/")[0], attributes, needs=installed)
            yield shared
            inside = (Need(shared.address, "it is in this directory"), *tried)
            yield Directory.at(node.target, path, attributes, needs=inside)
        made = self.made(node)
        yield ConfigFile.at(node.target, self.conf_path, options, attributes=self.readable, needs=(made, *tried))
        if vcenter.ca_pem:
            yield WholeFile.at(node.target, self.ca_path, vcenter.ca_pem, attributes=self.readable, needs=(made,))
