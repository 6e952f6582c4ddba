package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// scsiAdapterUnit is the unit number that a SCSI adapter occupies on its own bus.
const scsiAdapterUnit = 7

// installAmendments completes requests as a real vCenter would, before the simulator
// sees them.
func installAmendments(model *simulator.Model, disks *diskIdentities) {
	model.Map().Handler = func(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
		amend(method.Body, disks)
		return nil, amendPortGroup(ctx, method.Body)
	}
}

func amend(request any, disks *diskIdentities) {
	switch r := request.(type) {
	case *types.CopyVirtualDisk_Task:
		sameDatacenter(&r.DestDatacenter, r.SourceDatacenter)
	case *types.MoveVirtualDisk_Task:
		sameDatacenter(&r.DestDatacenter, r.SourceDatacenter)
		disks.move(r.SourceName, r.DestName)
	case *types.DeleteVirtualDisk_Task:
		disks.forget(r.Name)
	case *types.CopyDatastoreFile_Task:
		sameDatacenter(&r.DestinationDatacenter, r.SourceDatacenter)
	case *types.MoveDatastoreFile_Task:
		sameDatacenter(&r.DestinationDatacenter, r.SourceDatacenter)
	case *types.SearchDatastore_Task:
		r.SearchSpec = searchEverything(r.SearchSpec)
	case *types.SearchDatastoreSubFolders_Task:
		r.SearchSpec = searchEverything(r.SearchSpec)
	case *types.CreateVM_Task:
		completeDevices(r.Config.DeviceChange, disks)
	case *types.ReconfigVM_Task:
		completeDevices(r.Spec.DeviceChange, disks)
	case *types.CloneVM_Task:
		if r.Spec.Config != nil {
			completeDevices(r.Spec.Config.DeviceChange, disks)
		}
	}
}

// sameDatacenter fills in a destination that was left out: it is the source's.
func sameDatacenter(destination **types.ManagedObjectReference, source *types.ManagedObjectReference) {
	if *destination == nil {
		*destination = source
	}
}

// searchEverything fills in a search without a spec or a pattern: all files match.
func searchEverything(spec *types.HostDatastoreBrowserSearchSpec) *types.HostDatastoreBrowserSearchSpec {
	if spec == nil {
		spec = &types.HostDatastoreBrowserSearchSpec{}
	}
	if len(spec.MatchPattern) == 0 {
		spec.MatchPattern = []string{"*"}
	}
	return spec
}

func completeDevices(changes []types.BaseVirtualDeviceConfigSpec, disks *diskIdentities) {
	seatAdapters(changes)
	disks.identify(changes)
}

// seatAdapters gives new SCSI adapters their own unit number; the drivers read it back
// to know which number no disk may have.
func seatAdapters(changes []types.BaseVirtualDeviceConfigSpec) {
	for _, change := range changes {
		adapter, ok := change.GetVirtualDeviceConfigSpec().Device.(types.BaseVirtualSCSIController)
		if ok && adapter.GetVirtualSCSIController().ScsiCtlrUnitNumber == 0 {
			adapter.GetVirtualSCSIController().ScsiCtlrUnitNumber = scsiAdapterUnit
		}
	}
}
