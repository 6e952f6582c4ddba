"""The control plane of `api1` upgraded to the Nova of `nova_layer`: a compute must not be newer than its conductor.

Schemas first, then scheduler, conductor and API from the virtual environment, under the units, accounts, cells and addresses
that they had. Everything else of the control plane stays Debian's. Nova refuses to skip releases while an older compute
is registered (`nova.utils.raise_if_old_compute`), so this is for a cloud that has no compute yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab import controlplane
from tests.lab.controlplane_config import PORTS
from tests.lab.layout import API
from tests.lab.nova_layer import HOME

if TYPE_CHECKING:
    from tests.lab.lab import Lab

PROGRAM = f"{HOME}/bin/nova-compute"
RELEASE = "hibiscus"
"""The OpenStack release of the Nova that `nova/requirements.txt` locks."""

_API = f"""\
[uwsgi]
plugins = python3
virtualenv = {HOME}
module = nova.wsgi.osapi_compute:application
http-socket = {API.address}:{PORTS["nova-api"]}
master = true
lazy-apps = true
enable-threads = true
processes = 2
cheaper = 1
cheaper-initial = 1
threads = 1
buffer-size = 65535
die-on-term = true
rem-header = Content-Length
add-header = Connection: close
logto = /var/log/nova/nova-api.log
"""
"""As `controlplane_config.adapt_uwsgi` leaves Debian's, but for the application."""

_UPGRADE = f"""
systemctl stop nova-api nova-conductor nova-scheduler
cp {HOME}/etc/nova/api-paste.ini /etc/nova/api-paste.ini
runuser -u nova -- {HOME}/bin/nova-manage api_db sync
runuser -u nova -- {HOME}/bin/nova-manage db sync
start() {{
    mkdir -p /etc/systemd/system/$1.service.d
    printf '[Service]\\nExecStart=\\nExecStart=%s\\n' "$2" > /etc/systemd/system/$1.service.d/upgrade.conf
}}
start nova-api '/usr/bin/uwsgi --ini /etc/nova/nova-api-upgraded.ini'
for daemon in nova-conductor nova-scheduler; do
    start $daemon "{HOME}/bin/$daemon --config-file /etc/nova/nova.conf --log-file /var/log/nova/$daemon.log"
done
systemctl daemon-reload
systemctl start nova-conductor nova-scheduler nova-api
"""


def upgrade_control_plane(lab: Lab) -> None:
    """Upgrade it; returns when the new API answers and the new daemons report themselves alive."""
    lab.exec(API.name, "tee", "/etc/nova/nova-api-upgraded.ini", stdin=_API)
    lab.script(API.name, _UPGRADE, timeout_s=300)
    controlplane.wait_for_apis(["nova-api"])
    controlplane.wait_for_daemons()
