"""A vCenter on one machine: govmomi's simulator behind a front of our own.

The map, in the order of use:

build.py         compiles the Go program in simulator/, cached by what it is made of
certificates.py  a CA and a server certificate
wsdl.py          the part of the vSphere WSDL that the OpenStack drivers ask for
process.py       the program's command line, and a process that lives as long as a `with` block
control.py       the client of its test controls: faults, password, sessions, inventory

simulator/       the Go program; its main.go has the map of its files
README.md        how to run it by hand, the controls, what was repaired and why
"""
