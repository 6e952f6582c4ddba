package main

import (
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// diskIdentities remembers the UUID of the disk in each file. On a real datastore it is
// written in the disk's descriptor; the simulator makes one up for each machine that a
// disk is attached to. Nova finds a volume's disk again by the UUID that Cinder's backing
// machine shows for the same file.
type diskIdentities struct {
	mu    sync.Mutex
	uuids map[string]string // datastore path -> UUID
}

func newDiskIdentities() *diskIdentities {
	return &diskIdentities{uuids: map[string]string{}}
}

// learn keeps the first UUID seen for a file.
func (d *diskIdentities) learn(file, uuid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.uuids[file]; !known && file != "" && uuid != "" {
		d.uuids[file] = uuid
	}
}

func (d *diskIdentities) set(file, uuid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uuids[file] = uuid
}

func (d *diskIdentities) of(file string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.uuids[file]
}

func (d *diskIdentities) forget(file string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.uuids, file)
}

func (d *diskIdentities) move(source, destination string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if uuid, known := d.uuids[source]; known {
		delete(d.uuids, source)
		d.uuids[destination] = uuid
	}
}

// identify gives disks whose file exists already the identity they have; one that a
// request names is from then on the file's.
func (d *diskIdentities) identify(changes []types.BaseVirtualDeviceConfigSpec) {
	for _, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		backing := flatBacking(spec.Device)
		switch {
		case backing == nil:
		case backing.Uuid != "":
			d.set(backing.FileName, backing.Uuid)
		case spec.FileOperation == "":
			backing.Uuid = d.of(backing.FileName)
		}
	}
}

// flatBacking is the file backing of a disk; nil for any other device or kind of disk.
func flatBacking(device types.BaseVirtualDevice) *types.VirtualDiskFlatVer2BackingInfo {
	disk, ok := device.(*types.VirtualDisk)
	if !ok {
		return nil
	}
	backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if !ok {
		return nil
	}
	return backing
}
