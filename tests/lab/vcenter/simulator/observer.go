package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// observer is told of every object that enters or changes. It fills in what the
// simulator leaves empty although its type has no empty value (pyVmomi refuses to read
// the whole object otherwise), and it learns which file holds which disk.
type observer struct {
	disks *diskIdentities
}

func installObserver(model *simulator.Model, disks *diskIdentities) {
	model.Map().AddHandler(&observer{disks})
}

// Reference names the observer in the simulator's list of handlers.
func (o *observer) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "Observer", Value: "observer"}
}

// PutObject is called for each new object.
func (o *observer) PutObject(_ *simulator.Context, object mo.Reference) {
	if machine, ok := object.(*simulator.VirtualMachine); ok {
		none := types.VirtualMachineFaultToleranceStateNotConfigured
		machine.Runtime.FaultToleranceState = none
		machine.Summary.Runtime.FaultToleranceState = none
		o.learn(machine.Config)
	}
}

// UpdateObject is called for each change, by the one who holds the object's lock.
func (o *observer) UpdateObject(ctx *simulator.Context, object mo.Reference, _ []types.PropertyChange) {
	switch changed := object.(type) {
	case *mo.VirtualMachine:
		o.learn(changed.Config)
	case *mo.Task:
		tellReconfiguration(ctx, changed)
	}
}

// RemoveObject changes nothing: a disk outlives the machine that used it.
func (o *observer) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}

func (o *observer) learn(config *types.VirtualMachineConfigInfo) {
	if config == nil {
		return
	}
	for _, device := range config.Hardware.Device {
		if backing := flatBacking(device); backing != nil {
			o.disks.learn(backing.FileName, backing.Uuid)
		}
	}
}
