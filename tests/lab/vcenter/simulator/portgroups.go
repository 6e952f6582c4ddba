package main

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// firstVersion is the configuration version of a port group that nobody has changed.
const firstVersion = "1"

// reconfiguration is what the simulator calls the task that changes a port group.
const reconfiguration = "DistributedVirtualPortgroup.reconfigureDvPortgroup"

// installPortGroups gives what the simulator has made at its start what a real vCenter
// gives it: configuration versions, and the switches' knowledge of their uplinks.
func installPortGroups(model *simulator.Model) {
	for _, entity := range model.Map().All("DistributedVirtualPortgroup") {
		group, ok := entity.(*simulator.DistributedVirtualPortgroup)
		if !ok {
			continue
		}
		group.Config.ConfigVersion = firstVersion
		owner, ok := model.Map().Get(*group.Config.DistributedVirtualSwitch).(*simulator.DistributedVirtualSwitch)
		if ok && strings.HasPrefix(group.Name, owner.Name+"-DVUplinks") {
			group.Config.Uplink = types.NewBool(true)
			config := owner.Config.GetDVSConfigInfo()
			config.UplinkPortgroup = append(config.UplinkPortgroup, group.Self)
		}
	}
}

// amendPortGroup completes requests that change port groups. The simulator takes a
// changed configuration for a whole one; a real vCenter changes what is set, and nothing
// when the request is for another version of the configuration than the present one.
func amendPortGroup(ctx *simulator.Context, request any) types.BaseMethodFault {
	switch r := request.(type) {
	case *types.AddDVPortgroup_Task:
		for i := range r.Spec {
			r.Spec[i].ConfigVersion = firstVersion
		}
	case *types.ReconfigureDVPortgroup_Task:
		group, ok := ctx.Map.Get(r.This).(*simulator.DistributedVirtualPortgroup)
		if !ok {
			return nil // the simulator has its own words for that
		}
		var fault types.BaseMethodFault
		ctx.WithLock(group, func() { fault = completeReconfiguration(&group.Config, &r.Spec) })
		return fault
	}
	return nil
}

func completeReconfiguration(present *types.DVPortgroupConfigInfo, wanted *types.DVPortgroupConfigSpec) types.BaseMethodFault {
	if wanted.ConfigVersion != present.ConfigVersion {
		return &types.ConcurrentAccess{}
	}
	version, _ := strconv.Atoi(present.ConfigVersion)
	present.ConfigVersion = strconv.Itoa(version + 1)
	// Both have most fields, by the same names.
	fillUnset(reflect.ValueOf(wanted).Elem(), reflect.ValueOf(*present))
	setting, changed := wanted.DefaultPortConfig.(*types.VMwareDVSPortSetting)
	before, known := present.DefaultPortConfig.(*types.VMwareDVSPortSetting)
	if changed && known && setting != before {
		fillUnset(reflect.ValueOf(setting).Elem(), reflect.ValueOf(*before))
	}
	return nil
}

// tellReconfiguration pushes a port group's new version to those who wait for updates, once
// the change is made. The simulator changes a port group without telling anybody.
func tellReconfiguration(ctx *simulator.Context, task *mo.Task) {
	if task.Info.DescriptionId != reconfiguration || task.Info.State != types.TaskInfoStateSuccess {
		return
	}
	group, ok := ctx.Map.Get(*task.Info.Entity).(*simulator.DistributedVirtualPortgroup)
	if !ok {
		return
	}
	ctx.WithLock(group, func() {
		ctx.Update(group, []types.PropertyChange{{Name: "config.configVersion", Val: group.Config.ConfigVersion}})
	})
}

// fillUnset copies, field by field, what is set in one structure and not in the other.
func fillUnset(into, from reflect.Value) {
	for i := range into.NumField() {
		name := into.Type().Field(i).Name
		source := from.FieldByName(name)
		switch field := into.Field(i); {
		case !source.IsValid() || source.Type() != field.Type():
		case into.Type().Field(i).Anonymous:
			fillUnset(field, source)
		case field.IsZero():
			field.Set(source)
		}
	}
}
