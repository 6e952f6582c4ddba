"""What the stream does to a cloud: each kind does one thing, and says what; or nothing, where there is no room for it now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.lab.documents import with_option
from tests.lab.errors import CommandError
from tests.lab.witness import KEPT, KVM, NFS, VCENTER, VMDK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.course import Course

KEPT_REST_S, KEPT_MOST = 150.0, 2
"""Pacemaker gives a node up after three failures, for two minutes: so many of them within that time leave it a choice."""

ZONE, HOST = "kvm-az", "kvm1"
"""The aggregate of the compute host, and that host."""

NEVER_WRITTEN = "/etc/glance/glance-api.conf"
"""Bivisor found it as declared: its process restarts after any edit, for nobody can tell what it has loaded."""

HOSTS = ("kvm1", "vol1", "vol2", "ctl1", "ctl2", "ctl3")
UNITS = {KVM: ("kvm1", "nova-compute"), VMDK: ("vol1", "cinder-volume"), NFS: ("vol2", "cinder-volume")}
WHOLE = (
    ("vol1", "/etc/cinder/vmdk-vcenter-ca.pem"),
    ("vol2", "/etc/cinder/kvm-shares"),
    *((host, f"/etc/nova/vcenter/{VCENTER}/vcenter-ca.pem") for host in ("ctl1", "ctl2", "ctl3")),
)
"""Files that are Bivisor's as a whole."""

LOADED_BY = {"kvm1": KVM, "vol1": VMDK, "vol2": NFS, "ctl1": VCENTER, "ctl2": VCENTER, "ctl3": VCENTER}
"""Who loads the owned options on a host."""


def commit_computes(course: Course) -> str:
    """Declare an option that both computes load, or declare it no more."""
    if course.too_late():
        return ""
    value = None if course.documents.disk_mb and course.rng.random() < 1 / 3 else course.next()
    told = course.changes(f"reserved_host_disk_mb is {value}", KVM, VCENTER)
    course.documents.set_disk_mb(value)
    return told


def commit_vmdk(course: Course) -> str:
    """Declare another value for what the backend vmdk loads."""
    if course.too_late():
        return ""
    value = f"0.{300 + course.next()}"
    told = course.changes(f"vmware_task_poll_interval is {value}", VMDK)
    course.documents.set_poll_interval(value)
    return told


def commit_nfs(course: Course) -> str:
    """Declare another value for what the backend kvm loads."""
    if course.too_late():
        return ""
    value = 3 + course.next()
    told = course.changes(f"nfs_mount_attempts is {value}", NFS)
    course.documents.set_mount_attempts(value)
    return told


def commit_volume_type(course: Course) -> str:
    """Declare the other one of two volume types."""
    return f"commit: the second volume type is {course.documents.toggle_volume_type()}"


def commit_image_property(course: Course) -> str:
    """Declare a property of an image, or none."""
    value = None if course.rng.random() < 1 / 3 else course.next()
    course.documents.set_image_property(value)
    return f"commit: the image's property is {value}"


def invalid(course: Course) -> str:
    """Put a file that is no document beside the others, for some seconds."""
    if course.documents.broken or course.cut or not course.keeping.leads():
        return ""  # who begins with documents that are none gives its place to another one, and that one too
    course.documents.break_one(
        course.rng.choice(("kind: [", "apiVersion: bivisor/v1alpha1\nkind: Node\nmetadata: {name: x}\n"))
    )
    course.later((1, 6), "the invalid document is gone", course.documents.mend)
    return "a document that is none"


def edit_owned(course: Course) -> str:
    """Write another value for an option that is Bivisor's."""
    host, path = course.rng.choice([place for place in course.witness.owned if place[0] in LOADED_BY])
    section, key = course.rng.choice(sorted(course.documents.options[host, path]))
    if host in course.cut or _unrepaired(course, path) or not course.may_undo(f"{host}:{path}", f"[{section}] {key}"):
        return ""
    course.edits(LOADED_BY[host])
    value = course.next()
    with course.witness.writing(host, path):
        text = with_option(course.witness.path(host, path).read_text(), section, key, value)
        course.lab.exec(host, "tee", path, stdin=text)
    return f"{host}: [{section}] {key} in {path} is {value}"


def edit_foreign(course: Course) -> str:
    """Write what is nobody's business: it must stay, byte for byte."""
    host, path = course.rng.choice(sorted(course.witness.owned))
    if path == NEVER_WRITTEN and course.too_late():
        return ""
    line = f"{course.rng.choice(('# by hand', 'by_hand'))} = {course.next()}"
    with course.witness.writing(host, path) as foreign:
        text = f"[somebodys_{course.next()}]\n{line}  \n"
        course.lab.exec(host, "tee", "-a", path, stdin=text)
        foreign.extend(text.splitlines())
    course.foreign.append(((host, path), text))
    return f"{host}: {line!r} at the end of {path}, which is nobody's business"


def remove_whole(course: Course) -> str:
    """Remove a file that is Bivisor's as a whole."""
    host, path = course.rng.choice(WHOLE)
    if host in course.cut or _unrepaired(course, path) or not course.may_undo(f"{host}:{path}", "exists"):
        return ""
    course.lab.exec(host, "rm", "-f", path)
    return f"{host}: {path} is removed"


def _unrepaired(course: Course, path: str) -> bool:
    """Tell whether nobody would repair in time what a start of the kept compute needs.

    Pacemaker starts no leader while such a start hangs, and that hangs until the file is repaired or its time is over.
    """
    return "/nova/vcenter/" in path and not course.keeping.leads()


def end_service(course: Course, *how: str) -> str:
    """End a service in some way."""
    who = course.rng.choice(sorted(UNITS))
    if not course.may_undo(who, "active"):
        return ""
    host, unit = UNITS[who]
    course.loses(who)
    course.lab.exec(host, "systemctl", *how, unit, check=False)  # a restart at the same moment may cancel it
    return f"{host}: systemctl {' '.join(how)} {unit}"


def kill_service(course: Course) -> str:
    """Kill a service; systemd starts it again."""
    return end_service(course, "kill", "--signal=KILL")


def stop_service(course: Course) -> str:
    """Stop a service; nobody but Bivisor starts it again."""
    return end_service(course, "stop")


def stop_libvirtd(course: Course) -> str:
    """Stop what a compute needs."""
    if not course.may_undo("kvm1", "libvirtd"):
        return ""
    course.witness.may_start("kvm1/libvirtd")
    course.lab.exec("kvm1", "systemctl", "stop", "libvirtd", check=False)
    return "kvm1: systemctl stop libvirtd"


def kill_kept(course: Course) -> str:
    """End the vCenter's compute behind Pacemaker's back."""
    now = time.monotonic()
    while course.kept_lost and now - course.kept_lost[0] > KEPT_REST_S:
        course.kept_lost.popleft()
    node = course.kept_node()
    if len(course.kept_lost) >= KEPT_MOST or not node or not course.keeping.leads() or not course.may_undo(VCENTER, "running"):
        return ""
    course.kept_lost.append(now)
    course.loses(VCENTER)
    how = course.rng.choice((("kill", "--signal=KILL"), ("stop",)))
    course.lab.exec(node, "systemctl", *how, KEPT, check=False)
    return f"{node}: systemctl {' '.join(how)} {KEPT}, behind Pacemaker's back"


def unmask(course: Course) -> str:
    """Let the packaged compute be started where it must not."""
    host = course.rng.choice(("ctl1", "ctl2", "ctl3"))
    if host in course.cut or not course.may_undo(host, "masked"):
        return ""
    course.lab.exec(host, "systemctl", "unmask", "nova-compute")
    return f"{host}: systemctl unmask nova-compute"


def disable(course: Course) -> str:
    """Let a service not come back with its host."""
    host = course.rng.choice(("vol1", "vol2"))
    if not course.may_undo(host, "enabled"):
        return ""
    course.lab.exec(host, "systemctl", "disable", "cinder-volume")
    return f"{host}: systemctl disable cinder-volume"


def cluster_option(course: Course) -> str:
    """Set an option of Pacemaker that is Bivisor's."""
    name, value = course.rng.choice((("start-failure-is-fatal", "true"), ("symmetric-cluster", "true")))
    host = course.rng.choice([host for host in ("ctl1", "ctl2", "ctl3") if host not in course.cut])
    if not course.may_undo("cib", name):
        return ""
    try:
        course.lab.exec(host, "crm_attribute", "--type", "crm_config", "--name", name, "--update", value)
    except CommandError:
        return ""  # a ring that forms anew takes nothing
    return f"{host}: crm_attribute --name {name} --update {value}"


def volume_type_spec(course: Course) -> str:
    """Bind a volume type elsewhere, and give it a spec of somebody's."""
    if not course.may_undo("volume type", "spec"):
        return ""
    cloud = course.lab.openstack().block_storage
    kind = cloud.find_type("vmdk", ignore_missing=False)
    cloud.update_type_extra_specs(kind, **{"RESKEY:availability_zones": "elsewhere", f"somebodys-{course.next()}": "theirs"})
    return "the volume type vmdk is for zone elsewhere, and has a spec of somebody's"


def cut_cable(course: Course) -> str:
    """Cut any host off but the one on which the vCenter's compute lives, or is about to.

    The lab has no fence device: what a part of a cluster that is cut off does then is Pacemaker's alone.
    """
    host, kept = course.rng.choice(HOSTS), course.kept_node()
    if course.cut or kept in ("", host) or not course.keeping.loses(host, course):
        return ""
    course.cut_off(host, (2, 15))
    return f"{host}: its cable is pulled"


def drop_sessions(course: Course) -> str:
    """Let the vCenter forget who is logged in."""
    return f"the vCenter forgets {course.lab.vcenter.drop_sessions()} sessions"


def take_out_of_zone(course: Course) -> str:
    """Take the compute host out of its zone in Nova."""
    if not course.may_undo("zone", "hosts"):
        return ""
    with course.witness.taking_out(ZONE, HOST), course.lab.openstack() as cloud:
        (aggregate,) = [found for found in cloud.compute.aggregates() if found.name == ZONE]
        if HOST not in aggregate.hosts:
            return ""
        cloud.compute.remove_host_from_aggregate(aggregate, HOST)
    return f"{HOST} is taken out of the zone {ZONE}"


KINDS: dict[str, Callable[[Course], str]] = {
    "commit for the computes": commit_computes,
    "commit for vmdk": commit_vmdk,
    "commit for nfs": commit_nfs,
    "commit of a volume type": commit_volume_type,
    "commit of an image's property": commit_image_property,
    "invalid document": invalid,
    "owned option": edit_owned,
    "owned option again": edit_owned,
    "foreign option": edit_foreign,
    "owned file removed": remove_whole,
    "service killed": kill_service,
    "service stopped": stop_service,
    "libvirtd stopped": stop_libvirtd,
    "kept compute killed": kill_kept,
    "unmasked": unmask,
    "disabled": disable,
    "cluster option": cluster_option,
    "volume type's spec": volume_type_spec,
    "cable": cut_cable,
    "sessions dropped": drop_sessions,
    "host out of its zone": take_out_of_zone,
}
"""The kinds by name; one that is to happen more often than others stands there twice. What befalls the daemon comes besides."""
