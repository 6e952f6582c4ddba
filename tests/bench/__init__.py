"""The benchmarks: ratios against two peers in one run, CPU per host and pass, start-up time.

The map, in the order of a run:

report.py       what is promised, the table, the verdict
far_side.py     the hosts: one sshd of our own on many loopback addresses
orphans.py      processes that outlive their session count as well
items.py        what every host shall have, as data: the same items for all three tools
declared.py     the items as documents, and the one kind that the bench adds to the program's own
launcher.py     the program `bivisor` with that kind
peers.py        the same items for Ansible and pyinfra, in a virtual environment of their own
measured.py     wall time and CPU of whole processes
warm.py         passes over open channels: CPU per host, round trips
catalogue.py    what deciding alone costs for 20,000 units
changes.py      what is changed in the lab's cloud, to see how soon the daemon hears of it
latency.py      a run of its own: from the change to the moment when it is noticed, and when its repair begins
__main__.py     one run, in which the contestants take turns
"""
