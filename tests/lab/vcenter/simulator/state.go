package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// state is what the control port tells about the vCenter, for tests that wait until
// something has happened. Sizes are in bytes.
type state struct {
	Sessions   []sessionState   `json:"sessions"`
	Clusters   []clusterState   `json:"clusters"`
	Hosts      []hostState      `json:"hosts"`
	Datastores []datastoreState `json:"datastores"`
	Machines   []machineState   `json:"machines"`
	PortGroups []entityState    `json:"port_groups"`
}

type sessionState struct {
	Key    string    `json:"key"`
	User   string    `json:"user"`
	Agent  string    `json:"agent"`
	Login  time.Time `json:"login"`
	Active time.Time `json:"active"`
	Calls  int64     `json:"calls"`
}

type entityState struct {
	MoRef string `json:"moref"`
	Name  string `json:"name"`
}

type clusterState struct {
	entityState
	Hosts []string `json:"hosts"` // MoRefs
}

type hostState struct {
	entityState
	Connection  string `json:"connection"` // connected, disconnected or notResponding
	Maintenance bool   `json:"maintenance"`
}

type datastoreState struct {
	entityState
	Type     string `json:"type"`
	Capacity int64  `json:"capacity"`
	Free     int64  `json:"free"`
}

type machineState struct {
	entityState
	Power        string   `json:"power"` // poweredOn, poweredOff or suspended
	InstanceUUID string   `json:"instance_uuid"`
	Host         string   `json:"host"`  // MoRef
	Disks        []string `json:"disks"` // datastore paths of the backing files
}

func (w *world) state() state {
	s := state{
		Sessions:   []sessionState{},
		Clusters:   []clusterState{},
		Hosts:      []hostState{},
		Datastores: []datastoreState{},
		Machines:   []machineState{},
		PortGroups: []entityState{},
	}
	for _, session := range w.sessions() {
		s.Sessions = append(s.Sessions, sessionState{
			Key: session.Key, User: session.UserName, Agent: session.UserAgent,
			Login: session.LoginTime, Active: session.LastActiveTime, Calls: int64(session.CallCount),
		})
	}
	for _, entity := range w.sorted("ClusterComputeResource") {
		if cluster, ok := entity.(*simulator.ClusterComputeResource); ok {
			w.read(cluster, func() { s.Clusters = append(s.Clusters, describeCluster(cluster)) })
		}
	}
	for _, entity := range w.sorted("HostSystem") {
		if host, ok := entity.(*simulator.HostSystem); ok {
			w.read(host, func() { s.Hosts = append(s.Hosts, describeHost(host)) })
		}
	}
	for _, entity := range w.sorted("Datastore") {
		if datastore, ok := entity.(*simulator.Datastore); ok {
			w.read(datastore, func() { s.Datastores = append(s.Datastores, describeDatastore(datastore)) })
		}
	}
	for _, entity := range w.sorted("VirtualMachine") {
		if machine, ok := entity.(*simulator.VirtualMachine); ok {
			w.read(machine, func() { s.Machines = append(s.Machines, describeMachine(machine)) })
		}
	}
	for _, entity := range w.sorted("DistributedVirtualPortgroup") {
		if group, ok := entity.(*simulator.DistributedVirtualPortgroup); ok {
			w.read(group, func() { s.PortGroups = append(s.PortGroups, entityState{group.Self.Value, group.Name}) })
		}
	}
	return s
}

func describeCluster(cluster *simulator.ClusterComputeResource) clusterState {
	hosts := []string{}
	for _, host := range cluster.Host {
		hosts = append(hosts, host.Value)
	}
	return clusterState{entityState{cluster.Self.Value, cluster.Name}, hosts}
}

func describeHost(host *simulator.HostSystem) hostState {
	return hostState{
		entityState{host.Self.Value, host.Name},
		string(host.Runtime.ConnectionState), host.Runtime.InMaintenanceMode,
	}
}

func describeDatastore(datastore *simulator.Datastore) datastoreState {
	return datastoreState{
		entityState{datastore.Self.Value, datastore.Name},
		datastore.Summary.Type, datastore.Summary.Capacity, datastore.Summary.FreeSpace,
	}
}

func describeMachine(machine *simulator.VirtualMachine) machineState {
	described := machineState{
		entityState: entityState{machine.Self.Value, machine.Name},
		Power:       string(machine.Runtime.PowerState),
		Disks:       []string{},
	}
	if machine.Runtime.Host != nil {
		described.Host = machine.Runtime.Host.Value
	}
	if machine.Config == nil {
		return described
	}
	described.InstanceUUID = machine.Config.InstanceUuid
	for _, device := range machine.Config.Hardware.Device {
		disk, ok := device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		if backing, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
			described.Disks = append(described.Disks, backing.GetVirtualDeviceFileBackingInfo().FileName)
		}
	}
	return described
}
