package main

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	vimfault "github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// fixture is a simulator with everything installed, and a client that is logged in.
type fixture struct {
	world  *world
	client *govmomi.Client
	ctx    context.Context
}

func start(t *testing.T, holds inventory) fixture {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	model, err := holds.create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Remove)
	owner := &account{user: "user"}
	owner.password.Store("pass")
	server := serveBackend(model, owner)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	t.Cleanup(cancel)
	client, err := govmomi.NewClient(ctx, server.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{&world{model: model, owner: owner}, client, ctx}
}

// recursiveSpecs are the traversal specs that the OpenStack drivers send: they lead from
// the root folder to everything, and back into themselves.
func recursiveSpecs() []types.BaseSelectionSpec {
	return []types.BaseSelectionSpec{
		spec("visitFolders", "Folder", "childEntity",
			"visitFolders", "dc_to_hf", "dc_to_vmf", "dc_to_netf", "cr_to_ds", "cr_to_h", "cr_to_rp", "rp_to_rp",
			"h_to_vm", "rp_to_vm"),
		spec("dc_to_hf", "Datacenter", "hostFolder", "visitFolders"),
		spec("dc_to_vmf", "Datacenter", "vmFolder", "visitFolders"),
		spec("dc_to_netf", "Datacenter", "networkFolder", "visitFolders"),
		spec("cr_to_ds", "ComputeResource", "datastore", "visitFolders"),
		spec("cr_to_h", "ComputeResource", "host", "h_to_vm"),
		spec("cr_to_rp", "ComputeResource", "resourcePool", "rp_to_rp", "rp_to_vm"),
		spec("rp_to_rp", "ResourcePool", "resourcePool", "rp_to_rp", "rp_to_vm"),
		spec("h_to_vm", "HostSystem", "vm", "visitFolders"),
		spec("rp_to_vm", "ResourcePool", "vm"),
	}
}

func recursiveRequest(f fixture, kind string) *types.RetrievePropertiesEx {
	return &types.RetrievePropertiesEx{
		This: f.client.ServiceContent.PropertyCollector,
		SpecSet: []types.PropertyFilterSpec{{
			PropSet:   []types.PropertySpec{{Type: kind, PathSet: []string{"name"}}},
			ObjectSet: []types.ObjectSpec{{Obj: f.client.ServiceContent.RootFolder, SelectSet: recursiveSpecs()}},
		}},
	}
}

// The drivers' own cyclic request is answered with each object once; the subtype
// ClusterComputeResource is reached by the spec of its base type.
func TestRecursiveRequestOverTheInventory(t *testing.T) {
	f := start(t, inventory{clusters: 2, hosts: 3, datastores: 2, machines: 2})
	for kind, count := range map[string]int{
		"HostSystem": 6, "VirtualMachine": 4, "ClusterComputeResource": 2, "Datastore": 2, "Datacenter": 1,
	} {
		answer, err := methods.RetrievePropertiesEx(f.ctx, f.client, recursiveRequest(f, kind))
		if err != nil {
			t.Fatal(kind, err)
		}
		if len(answer.Returnval.Objects) != count {
			t.Errorf("%s: %d objects, want %d", kind, len(answer.Returnval.Objects), count)
		}
	}
}

// A filter with cyclic specs answers its first wait, and reports changes afterwards.
func TestCyclicFilterSeesChanges(t *testing.T) {
	f := start(t, inventory{clusters: 1, hosts: 1, datastores: 1})
	collector := f.client.ServiceContent.PropertyCollector
	_, err := methods.CreateFilter(f.ctx, f.client, &types.CreateFilter{
		This: collector, Spec: recursiveRequest(f, "HostSystem").SpecSet[0],
	})
	if err != nil {
		t.Fatal(err)
	}
	wait := &types.WaitForUpdatesEx{This: collector, Options: &types.WaitOptions{MaxWaitSeconds: types.NewInt32(10)}}
	first, err := methods.WaitForUpdatesEx(f.ctx, f.client, wait)
	if err != nil || first.Returnval == nil {
		t.Fatal(first, err)
	}
	if err := f.world.renameHost("DC0_C0_H0", "renamed"); err != nil {
		t.Fatal(err)
	}
	wait.Version = first.Returnval.Version
	second, err := methods.WaitForUpdatesEx(f.ctx, f.client, wait)
	if err != nil || second.Returnval == nil {
		t.Fatal(second, err)
	}
	if change := second.Returnval.FilterSet[0].ObjectSet[0].ChangeSet[0]; change.Val != "renamed" {
		t.Errorf("change %v", change)
	}
}

func (w *world) renameHost(name, next string) error {
	host, err := w.named("HostSystem", name)
	if err != nil {
		return err
	}
	ctx := w.context()
	ctx.Map.AtomicUpdate(ctx, host, []types.PropertyChange{{Name: "name", Val: next}})
	return nil
}

// A call that waits for updates ends with NotAuthenticated when its session is dropped.
func TestDroppedSessionEndsTheWait(t *testing.T) {
	f := start(t, inventory{clusters: 1, hosts: 1, datastores: 1})
	collector := f.client.ServiceContent.PropertyCollector
	first, err := methods.WaitForUpdatesEx(f.ctx, f.client, &types.WaitForUpdatesEx{This: collector})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := methods.WaitForUpdatesEx(f.ctx, f.client, &types.WaitForUpdatesEx{
			This: collector, Version: first.Returnval.Version,
		})
		ended <- err
	}()
	if dropped := f.world.dropSessions(); dropped != 1 {
		t.Errorf("dropped %d sessions, want 1", dropped)
	}
	if err := <-ended; !vimfault.Is(err, &types.NotAuthenticated{}) {
		t.Errorf("ended with %v", err)
	}
}

// The same counts give the same names and MoRefs at each start: what OpenStack has
// written down about a vCenter is true after its restart.
func TestStartsAreAlike(t *testing.T) {
	holds := inventory{clusters: 2, hosts: 3, datastores: 2}
	first, second := start(t, holds).world.state(), start(t, holds).world.state()
	first.Sessions, second.Sessions = nil, nil
	if !reflect.DeepEqual(first, second) {
		t.Errorf("two starts differ:\n%v\n%v", first, second)
	}
}

// A name that does not exist is an error that lists those that do.
func TestUnknownNameIsExplained(t *testing.T) {
	f := start(t, inventory{clusters: 2, hosts: 1, datastores: 1})
	err := f.world.renameCluster("DC0_C9", "x")
	if !errors.Is(err, errUnknown) || err.Error() != `unknown: no ClusterComputeResource "DC0_C9" (known: DC0_C0, DC0_C1)` {
		t.Error(err)
	}
}

// A disk that is attached to a second machine keeps the UUID that it has in the first.
func TestOneFileIsOneDisk(t *testing.T) {
	f := start(t, inventory{clusters: 1, hosts: 1, datastores: 1, machines: 2})
	machines := f.world.sorted("VirtualMachine")
	disk := diskOf(t, machines[0])
	again := *disk
	backing := *flatBacking(disk)
	backing.Uuid = ""
	again.Backing, again.Key, again.UnitNumber = &backing, -1, types.NewInt32(5)
	_, err := methods.ReconfigVM_Task(f.ctx, f.client, &types.ReconfigVM_Task{
		This: machines[1].Reference(),
		Spec: types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
			&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: &again},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var uuids []string
	condition := func(change []types.PropertyChange) bool {
		for _, device := range change[0].Val.(types.ArrayOfVirtualDevice).VirtualDevice {
			if found := flatBacking(device); found != nil && found.FileName == backing.FileName {
				uuids = append(uuids, found.Uuid)
				return true
			}
		}
		return false
	}
	collector := property.DefaultCollector(f.client.Client)
	err = property.Wait(f.ctx, collector, machines[1].Reference(), []string{"config.hardware.device"}, condition)
	if err != nil || !slices.Equal(uuids, []string{flatBacking(disk).Uuid}) {
		t.Errorf("UUIDs %v (%v), want %s", uuids, err, flatBacking(disk).Uuid)
	}
}

func diskOf(t *testing.T, machine mo.Entity) *types.VirtualDisk {
	t.Helper()
	config := machine.(*simulator.VirtualMachine).Config
	for _, device := range config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			return disk
		}
	}
	t.Fatal("the machine has no disk")
	return nil
}

// A change of a port group changes what it names, and only the version it was made for.
func TestPortGroupKeepsWhatIsNotNamed(t *testing.T) {
	f := start(t, inventory{clusters: 1, hosts: 1, datastores: 1})
	found, err := f.world.named("DistributedVirtualPortgroup", "DC0_DVPG0")
	if err != nil {
		t.Fatal(err)
	}
	group := found.(*simulator.DistributedVirtualPortgroup)
	change := types.ReconfigureDVPortgroup_Task{This: group.Self, Spec: types.DVPortgroupConfigSpec{
		ConfigVersion: firstVersion,
		DefaultPortConfig: &types.VMwareDVSPortSetting{
			Vlan: &types.VmwareDistributedVirtualSwitchVlanIdSpec{VlanId: 7},
		},
	}}
	begun, err := methods.ReconfigureDVPortgroup_Task(f.ctx, f.client, &change)
	if err != nil {
		t.Fatal(err)
	}
	if err := object.NewTask(f.client.Client, begun.Returnval).Wait(f.ctx); err != nil {
		t.Fatal(err)
	}
	setting := group.Config.DefaultPortConfig.(*types.VMwareDVSPortSetting)
	vlan := setting.Vlan.(*types.VmwareDistributedVirtualSwitchVlanIdSpec).VlanId
	if vlan != 7 || setting.UplinkTeamingPolicy == nil || group.Config.Name != "DC0_DVPG0" || group.Config.ConfigVersion != "2" {
		t.Errorf("VLAN %d, teaming %v, %+v", vlan, setting.UplinkTeamingPolicy, group.Config)
	}
	_, err = methods.ReconfigureDVPortgroup_Task(f.ctx, f.client, &change)
	if !vimfault.Is(err, &types.ConcurrentAccess{}) {
		t.Errorf("an old version: %v", err)
	}
}
