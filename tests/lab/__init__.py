"""A real mixed cloud on one machine: Debian hosts, an OpenStack control plane, a simulated vCenter.

The map, in the order of building:

layout.py                hosts, addresses, folders: what the lab calls its things
requirements.py          can this machine run it, and if not, why
recipe.py, image.py      the image of every host
keys.py                  host keys, the client's key, passwords, the demo's secrets
network.py, cgroups.py   bridge, cables, namespaces, control groups
machines.py              a host as a system container: assemble, power on, kill
controlplane*.py, cloud.py   the existing OpenStack on api1, initialised once, then a layer
ceph.py, swift.py        the storage on api1: part of that layer, started when a test wants it
vcenter/, simulated_vcenter.py   the vCenter API simulator, and how the lab runs it
lifecycle.py             up, down, reset: a level, not an event
lab.py                   `Lab`, what tests use
fingerprint.py           the digest of a host's files
__main__.py, status.py   the command

Tests take `Lab` from `tests.lab.lab`, usually through the fixture `lab`. Keep this file free of
imports: `tests.lab.vcenter` is used without the rest.
"""
