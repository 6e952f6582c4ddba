"""The same items for Ansible and pyinfra, each in its own idiom, in a virtual environment of their own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from tests.bench.far_side import PYTHON
from tests.bench.items import DIRECTORY_MODE, MARKER, MODE, OWNER, PACKAGES
from tests.bench.measured import Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.far_side import FarSide
    from tests.bench.items import Items
    from tests.bench.measured import Run

FORKS = 20
WANTED = ("ansible-core", "pyinfra")


def install(folder: Path) -> dict[str, str]:
    """Make the virtual environment with the newest releases, if it is not there; return the versions by name."""
    python = folder / "bin/python"
    if not all((folder / "bin" / program).exists() for program in ("ansible-playbook", "pyinfra")):
        print(f"bench: installing the newest {' and '.join(WANTED)} into {folder} (half a minute, once)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *WANTED], check=True)
    code = f"import json; from importlib.metadata import version; print(json.dumps({{n: version(n) for n in {WANTED!r}}}))"
    found: dict[str, str] = json.loads(subprocess.run([str(python), "-c", code], check=True, capture_output=True).stdout)
    return found


class Ansible:
    """`ansible-playbook --check -f 20`, as it is by default, and made as fast as its documentation tells."""

    def __init__(self, environment: Path, folder: Path, far: FarSide, items: Items) -> None:
        """Write inventory, playbooks and configuration into `folder`."""
        self._program = environment / "bin/ansible-playbook"
        self._folder, self._far, self._items = folder, far, items
        folder.mkdir()
        (folder / "files").mkdir()
        for path, text in items.files.items():
            (folder / "files" / path.name).write_text(text, encoding="utf-8")
        (folder / "known_hosts").symlink_to(far.known_hosts)
        (folder / "inventory.yml").write_text(yaml.safe_dump(self._inventory()), encoding="utf-8")

    def command(self, name: str, *, facts: bool = True, tuned: bool = False) -> Command:
        """Return the command, with or without the gathering of facts that it does by default.

        `tuned`: modules come through the open connection in place of being copied, packages are one task, and the owned
        options are one block of lines.
        """
        folder = self._folder
        slug = re.sub(r"\W+", "-", name)
        playbook = folder / f"{slug}.yml"
        play = {"hosts": "all", "gather_facts": facts, "tasks": self._tasks(tuned=tuned)}
        playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
        config = folder / f"{slug}.cfg"
        config.write_text(_ANSIBLE_CFG.format(folder=folder, pipelining=tuned), encoding="utf-8")
        argv = [str(self._program), "--check", "-f", str(FORKS), "-i", str(folder / "inventory.yml"), str(playbook)]
        environment = {"ANSIBLE_CONFIG": str(config), **_environment(folder, self._program)}
        return Command(name, argv, environment, folder, partial(_recap, hosts=len(self._far.hosts)), self._disconnect)

    def _inventory(self) -> dict[str, Any]:
        shared = {
            "ansible_user": "root",
            "ansible_port": self._far.port,
            "ansible_ssh_private_key_file": str(self._far.key_file),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self._far.known_hosts}",
            "ansible_python_interpreter": PYTHON,
        }
        hosts = {name: {"ansible_host": address} for name, address in self._far.hosts.items()}
        return {"all": {"vars": shared, "hosts": hosts}}

    def _tasks(self, *, tuned: bool) -> list[dict[str, Any]]:
        owner = {"owner": OWNER, "group": OWNER}
        packages: list[Any] = [list(PACKAGES)] if tuned else list(PACKAGES)
        tasks: list[dict[str, Any]] = [{"ansible.builtin.apt": {"name": name, "state": "present"}} for name in packages]
        tasks += [
            {"ansible.builtin.copy": {"src": f"files/{path.name}", "dest": str(path), "mode": MODE, **owner}}
            for path in self._items.files
        ]
        tasks += [
            {"ansible.builtin.file": {"path": str(path), "state": "directory", "mode": DIRECTORY_MODE, **owner}}
            for path in self._items.directories
        ]
        config = {"path": str(self._items.config_file), "mode": MODE, **owner}
        if tuned:
            marks = {"marker": MARKER, "marker_begin": "BEGIN", "marker_end": "END"}
            return [*tasks, {"ansible.builtin.blockinfile": {**config, "block": self._items.block, **marks}}]
        lines = [{**config, "regexp": found, "line": line} for found, line in self._items.lines]
        return [*tasks, *({"ansible.builtin.lineinfile": line} for line in lines)]

    def _disconnect(self) -> None:
        """End the connections that ssh keeps open for a minute: the next run shall begin cold as well."""
        for control in (self._folder / "cp").glob("*"):
            subprocess.run(["ssh", "-O", "exit", "-o", f"ControlPath={control}", "bench"], check=False, capture_output=True)
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)


_ANSIBLE_CFG = """\
[defaults]
host_key_checking = True
local_tmp = {folder}/tmp
retry_files_enabled = False
nocolor = True
[ssh_connection]
control_path_dir = {folder}/cp
pipelining = {pipelining}
"""


def _recap(done: Run, hosts: int) -> str:
    good = re.findall(r"ok=[1-9]\d*\s+changed=0\s+unreachable=0\s+failed=0\s+skipped=0", done.output)
    return "" if done.code == 0 and len(good) == hosts else f"it found something to change, or failed (exit code {done.code})"


class Pyinfra:
    """`pyinfra --dry` with its usual parallelism: all hosts at once."""

    def __init__(self, environment: Path, folder: Path, far: FarSide, items: Items) -> None:
        """Write inventory and deploy into `folder`."""
        self._program = environment / "bin/pyinfra"
        self._folder, self._far, self._items = folder, far, items
        folder.mkdir()
        (folder / "files").mkdir()
        for path, text in items.files.items():
            (folder / "files" / path.name).write_text(text, encoding="utf-8")
        (folder / "inventory.py").write_text(self._inventory(), encoding="utf-8")

    def command(self, name: str, *, tuned: bool = False) -> Command:
        """Return the command. `tuned`: packages are one operation, and the owned options are one block of lines."""
        folder = self._folder
        operations = list(self._operations(tuned=tuned))
        deploy = folder / f"{re.sub(r'[^a-z]+', '_', name)}.py"
        deploy.write_text("\n".join(["from pyinfra.operations import apt, files", *operations, ""]), encoding="utf-8")
        argv = [str(self._program), "--dry", "inventory.py", deploy.name]
        check = partial(_detected, operations=len(operations), hosts=len(self._far.hosts))
        return Command(name, argv, _environment(folder, self._program), folder, check)

    def _inventory(self) -> str:
        data = {
            "ssh_user": "root",
            "ssh_port": self._far.port,
            "ssh_key": str(self._far.key_file),
            "ssh_known_hosts_file": str(self._far.known_hosts),
            "ssh_strict_host_key_checking": "yes",
        }
        hosts = [(name, {"ssh_hostname": address}) for name, address in self._far.hosts.items()]
        return f"measured = ({hosts!r}, {data!r})\n"

    def _operations(self, *, tuned: bool) -> Iterator[str]:
        owner = f"user={OWNER!r}, group={OWNER!r}"
        for names in [list(PACKAGES)] if tuned else [[name] for name in PACKAGES]:
            yield f"apt.packages(packages={names!r})"
        for path in self._items.files:
            yield f"files.put(src='files/{path.name}', dest={str(path)!r}, {owner}, mode={MODE[1:]!r})"
        for path in self._items.directories:
            yield f"files.directory(path={str(path)!r}, {owner}, mode={DIRECTORY_MODE[1:]!r})"
        path = self._items.config_file
        yield f"files.file(path={str(path)!r}, {owner}, mode={MODE[1:]!r})"
        if tuned:
            content, marks = self._items.block.splitlines(), f"marker={MARKER!r}, begin='BEGIN', end='END'"
            yield f"files.block(path={str(path)!r}, content={content!r}, {marks})"
            return
        for found, line in self._items.lines:
            yield f"files.line(path={str(path)!r}, line={found!r}, replace={line!r})"


def _environment(home: Path, program: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": f"{program.parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}


def _detected(done: Run, operations: int, hosts: int) -> str:
    """Each host was reached, and each operation has neither a change nor a conditional change."""
    idle = re.findall(r"^ +(?:apt|files)\.\w+ \(.*\) +- +- *$", done.output, re.MULTILINE)
    connected = done.output.count("Connected")
    if done.code == 0 and len(idle) == operations and connected == hosts:
        return ""
    return f"{connected} hosts reached, {len(idle)} of {operations} operations without a change, exit code {done.code}"
