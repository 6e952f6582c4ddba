package main

import (
	"cmp"
	"errors"
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/units"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// instanceUUID is this vCenter's identity if no other is given. Nova names its compute node
// "<cluster MoRef>.<instance UUID>", so it must outlive a restart, and no two vCenters may share it.
const instanceUUID = "dbed6e0c-bd88-4ef6-b594-21283e1c677f"

// datastoreCapacity is the size of each datastore, in bytes. The files are sparse:
// none of it is taken from the machine's disk.
const datastoreCapacity = int64(1 * units.TB)

// inventory counts what the vCenter holds at its start. The same counts give the
// same names and the same MoRefs at each start.
type inventory struct {
	clusters, hosts, datastores, machines int
	identity                              string // instanceUUID if empty
}

// create builds the model: one datacenter DC0 with clusters, no standalone host,
// one distributed switch DVS0 with the port group DC0_DVPG0.
func (i inventory) create() (*simulator.Model, error) {
	if i.clusters < 1 || i.hosts < 1 || i.datastores < 1 {
		return nil, errors.New("at least one cluster, host and datastore are needed")
	}
	model := simulator.VPX()
	model.Host = 0
	model.Cluster = i.clusters
	model.ClusterHost = i.hosts
	model.Datastore = i.datastores
	model.Machine = i.machines
	model.Portgroup = 1
	if err := model.Create(); err != nil {
		return nil, err
	}
	mountDatastores(model)
	identify(model, cmp.Or(i.identity, instanceUUID))
	return model, nil
}

// mountDatastores makes each datastore a shared VMFS volume that every host has
// mounted read-write: the OpenStack drivers accept no other kind.
func mountDatastores(model *simulator.Model) {
	hosts := model.Map().All("HostSystem")
	slices.SortFunc(hosts, func(a, b mo.Entity) int {
		return cmp.Compare(a.Reference().Value, b.Reference().Value)
	})
	for _, entity := range model.Map().All("Datastore") {
		datastore, ok := entity.(*simulator.Datastore)
		if !ok {
			continue
		}
		datastore.Summary.Type = string(types.HostFileSystemVolumeFileSystemTypeVMFS)
		datastore.Summary.MultipleHostAccess = types.NewBool(true)
		datastore.Summary.Capacity = datastoreCapacity
		datastore.Summary.FreeSpace = datastoreCapacity
		datastore.Info.GetDatastoreInfo().FreeSpace = datastoreCapacity
		datastore.Host = make([]types.DatastoreHostMount, 0, len(hosts))
		for _, host := range hosts {
			datastore.Host = append(datastore.Host, types.DatastoreHostMount{
				Key: host.Reference(),
				MountInfo: types.HostMountInfo{
					Path:       "/vmfs/volumes/" + datastore.Name,
					AccessMode: string(types.HostMountModeReadWrite),
					Mounted:    types.NewBool(true),
					Accessible: types.NewBool(true),
				},
			})
		}
	}
}

func identify(model *simulator.Model, uuid string) {
	instance, ok := model.Map().Get(vim25.ServiceInstance).(*simulator.ServiceInstance)
	if ok {
		instance.Content.About.InstanceUuid = uuid
	}
}
