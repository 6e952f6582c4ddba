"""The configuration of `api1` as values: what an operator's existing control plane looks like.

It is complete but for one option, `cross_az_attach` in `nova.conf`: that one is Bivisor's to set.
Intervals are short, so that a dead service is noticed within a test's patience, and every API has
few processes, because the lab's machine has two cores.
"""

from __future__ import annotations

from tests.lab.keys import AUTH_URL, PASSWORD, TRANSPORT_URL
from tests.lab.layout import API

Ini = dict[str, dict[str, str]]
"""An INI file: options by section."""

REGION = "RegionOne"
KVM_ZONE = "kvm-az"

PORTS = {
    "keystone": 5000,
    "placement-api": 8778,
    "glance-api": 9292,
    "neutron-api": 9696,
    "nova-api": 8774,
    "cinder-api": 8776,
}
"""The units that serve an API, and where."""

STORES = ("mariadb", "rabbitmq-server", "memcached")
DAEMONS = ("nova-conductor", "nova-scheduler", "cinder-scheduler")
UNITS = (*STORES, *PORTS, *DAEMONS)
"""Everything that runs on `api1`."""

DATABASES = ("keystone", "placement", "nova_api", "nova", "nova_cell0", "glance", "cinder", "neutron")
DATABASE_USER = "openstack"


def database_url(name: str) -> str:
    """As SQLAlchemy wants it."""
    return f"mysql+pymysql://{DATABASE_USER}:{PASSWORD}@{API.address}/{name}"


def files() -> dict[str, str]:
    """Every file that replaces the packaged one on `api1`, by path."""
    inis: dict[str, Ini] = {
        "/etc/mysql/mariadb.conf.d/99-lab.cnf": _mariadb(),
        "/etc/keystone/keystone.conf": _keystone(),
        "/etc/placement/placement.conf": _placement(),
        "/etc/glance/glance-api.conf": _glance(),
        "/etc/neutron/neutron.conf": _neutron(),
        "/etc/neutron/plugins/ml2/ml2_conf.ini": _ml2(),
        "/etc/nova/nova.conf": _nova(),
        "/etc/cinder/cinder.conf": _cinder(),
    }
    plain = {
        "/etc/rabbitmq/rabbitmq-env.conf": "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="
        '"+S 2:1 +sbwt none +sbwtdcpu none +sbwtdio none"\n',
        "/etc/memcached.conf": "-d\nlogfile /var/log/memcached.log\n-m 32\n-p 11211\n"
        "-u memcache\n-l 0.0.0.0\n-P /var/run/memcached/memcached.pid\n",
    } | _drop_ins()
    return {path: render(ini) for path, ini in inis.items()} | plain


def _drop_ins() -> dict[str, str]:
    """Let the APIs load their modules while RabbitMQ boots; what needs it at once waits for its port."""
    folder = "/etc/systemd/system"
    connect = f"exec 3<>/dev/tcp/{API.address}/5672"
    wait = f"until ({connect}) 2>/dev/null; do sleep 0.2; done"
    waiting = f"[Service]\nExecStartPre=/bin/bash -c '{wait}'\n"
    return {f"{folder}/rabbitmq-server.service.d/lab.conf": "[Service]\nType=exec\n"} | {
        f"{folder}/{unit}.service.d/lab.conf": waiting for unit in DAEMONS
    }


def render(ini: Ini) -> str:
    """The text of an INI file."""
    blocks = []
    for section, options in ini.items():
        lines = [f"[{section}]", *(f"{name} = {value}" for name, value in options.items())]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


UWSGI_FILES = {
    "/etc/keystone/keystone-uwsgi.ini": 2,
    "/etc/placement/placement-api-uwsgi.ini": 1,
    "/etc/glance/glance-api-uwsgi.ini": 1,
    "/etc/neutron/neutron-api-uwsgi.ini": 1,
    "/etc/nova/nova-api-uwsgi.ini": 2,
    "/etc/cinder/cinder-api-uwsgi.ini": 2,
}
"""Most processes of each API: the second one is started when the first is busy.

With Debian's 32 threads per process neutron-api locked up: 1 each.
"""


def adapt_uwsgi(packaged: str, processes: int) -> str:
    """The packaged uwsgi file with few processes, one thread, and no AppArmor plugin.

    uwsgi's own HTTP socket closes each connection after its answer without saying so; a client
    that keeps connections then meets a reset now and then, so the answer is made to say it.
    """
    lines = []
    for line in packaged.splitlines():
        name = line.partition("=")[0].strip()
        match name:
            case "processes":
                lines.append(f"processes = {processes}")
            case "threads":
                lines.append("threads = 1")
            case "plugins":
                lines.append("plugins = python3")
            case "apparmor-profile":
                pass
            case _:
                lines.append(line)
    lines += ["cheaper = 1", "cheaper-initial = 1"] if processes > 1 else []
    return "\n".join([*lines, "add-header = Connection: close", ""])


def _auth(user: str) -> dict[str, str]:
    return {
        "auth_type": "password",
        "auth_url": AUTH_URL,
        "project_name": "service",
        "project_domain_name": "Default",
        "username": user,
        "user_domain_name": "Default",
        "password": PASSWORD,
        "region_name": REGION,
    }


def auth_token(user: str) -> dict[str, str]:
    """How a service lets Keystone judge the tokens that it is shown; `user` is its account."""
    return {
        "www_authenticate_uri": AUTH_URL.removesuffix("/v3"),
        "memcached_servers": f"{API.address}:11211",
        "service_token_roles": "service",
        "service_token_roles_required": "true",
        **_auth(user),
    }


def _database(name: str) -> dict[str, str]:
    """Services start together with the database: they ask again each second until it is there."""
    return {
        "connection": database_url(name),
        "max_pool_size": "2",
        "max_overflow": "10",
        "max_retries": "-1",
        "retry_interval": "1",
    }


def _messaging() -> dict[str, str]:
    """Ask for the message queue each second, not less and less often."""
    return {"rabbit_retry_interval": "1", "rabbit_retry_backoff": "0"}


def _mariadb() -> Ini:
    """Nothing is flushed: the lab's data need not survive the machine's power."""
    return {
        "mysqld": {
            "bind-address": "0.0.0.0",  # noqa: S104 - of the host's own namespace
            "skip-name-resolve": "1",
            "max_connections": "400",
            "innodb_buffer_pool_size": "96M",
            "innodb_flush_log_at_trx_commit": "0",
            "innodb_flush_method": "nosync",
            "innodb_doublewrite": "0",
            "innodb_fast_shutdown": "1",
            "performance_schema": "OFF",
            "character-set-server": "utf8mb3",
            "collation-server": "utf8mb3_general_ci",
        }
    }


def _keystone() -> Ini:
    return {
        "DEFAULT": {"log_dir": "/var/log/keystone", "log_file": "keystone.log"},
        "database": _database("keystone"),
        "token": {"provider": "fernet"},
        "cache": {
            "enabled": "true",
            "backend": "dogpile.cache.memcached",
            "memcache_servers": f"{API.address}:11211",
        },
        "oslo_policy": {"policy_dirs": "/etc/keystone/policy.d"},
    }


def _placement() -> Ini:
    return {
        "DEFAULT": {},
        "api": {"auth_strategy": "keystone"},
        "placement_database": _database("placement"),
        "keystone_authtoken": auth_token("placement"),
        "oslo_policy": {"policy_dirs": "/etc/placement/policy.d"},
    }


def _glance() -> Ini:
    data = "/var/lib/glance"
    return {
        "DEFAULT": {
            "workers": "1",
            "enabled_backends": "file:file",
            "node_staging_uri": f"file://{data}/staging",
        },
        "glance_store": {"default_backend": "file"},
        "file": {"filesystem_store_datadir": f"{data}/images"},
        "os_glance_staging_store": {"filesystem_store_datadir": f"{data}/staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": f"{data}/tasks"},
        "database": _database("glance"),
        "keystone_authtoken": auth_token("glance"),
        "paste_deploy": {"flavor": "keystone"},
        "oslo_concurrency": {"lock_path": "/var/lock/glance"},
    }


def _neutron() -> Ini:
    return {
        "DEFAULT": {
            "auth_strategy": "keystone",
            "core_plugin": "ml2",
            "service_plugins": "",
            "transport_url": TRANSPORT_URL,
            "rpc_workers": "1",
            "api_workers": "1",
            "notify_nova_on_port_status_changes": "false",
            "notify_nova_on_port_data_changes": "false",
        },
        "database": _database("neutron"),
        "keystone_authtoken": auth_token("neutron"),
        "nova": _auth("nova"),
        "oslo_messaging_rabbit": _messaging(),
        "oslo_concurrency": {"lock_path": "/var/lock/neutron"},
        "oslo_policy": {"policy_dirs": "/etc/neutron/policy.d"},
    }


def _ml2() -> Ini:
    return {
        "ml2": {
            "type_drivers": "flat,vlan,local",
            "tenant_network_types": "local",
            "mechanism_drivers": "",
            "extension_drivers": "port_security",
        },
        "ml2_type_flat": {"flat_networks": "*"},
    }


def _nova() -> Ini:
    return {
        "DEFAULT": {
            "state_path": "/var/lib/nova",
            "transport_url": TRANSPORT_URL,
            "enabled_apis": "osapi_compute",
            "service_down_time": "20",
            "report_interval": "5",
            "vif_plugging_is_fatal": "false",
            "vif_plugging_timeout": "0",
        },
        "api": {"auth_strategy": "keystone"},
        "api_database": _database("nova_api"),
        "database": _database("nova"),
        "conductor": {"workers": "1"},
        "scheduler": {"workers": "1", "discover_hosts_in_cells_interval": "20"},
        "glance": {"api_servers": f"http://{API.address}:{PORTS['glance-api']}"},
        "cinder": {
            "os_region_name": REGION,
            "catalog_info": "volumev3:cinderv3:publicURL",
            **_auth("nova"),
        },
        "placement": _auth("placement"),
        "neutron": _auth("neutron"),
        "service_user": {"send_service_user_token": "true", **_auth("nova")},
        "keystone_authtoken": auth_token("nova"),
        "oslo_messaging_rabbit": _messaging(),
        "oslo_concurrency": {"lock_path": "/var/lock/nova"},
        "oslo_policy": {"policy_dirs": "/etc/nova/policy.d"},
        "vnc": {"enabled": "false"},
        "spice": {"enabled": "false"},
    }


def _cinder() -> Ini:
    return {
        "DEFAULT": {
            "auth_strategy": "keystone",
            "state_path": "/var/lib/cinder",
            "transport_url": TRANSPORT_URL,
            "glance_api_servers": f"http://{API.address}:{PORTS['glance-api']}",
            "enabled_backends": "",
            "service_down_time": "20",
            "report_interval": "5",
            "storage_availability_zone": KVM_ZONE,
            "default_availability_zone": KVM_ZONE,
            "allow_availability_zone_fallback": "False",
        },
        "database": _database("cinder"),
        "keystone_authtoken": auth_token("cinder"),
        "service_user": {"send_service_user_token": "true", **_auth("cinder")},
        "nova": _auth("nova"),
        "oslo_messaging_rabbit": _messaging(),
        "oslo_concurrency": {"lock_path": "/var/lock/cinder"},
        "oslo_policy": {"policy_dirs": "/etc/cinder/policy.d"},
    }
