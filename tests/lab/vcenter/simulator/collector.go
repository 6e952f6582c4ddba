package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// sessionPoll is how often a waiting call looks whether its session still lives.
const sessionPoll = 50 * time.Millisecond

// PropertyCollector is the simulator's, with two repairs: traversal specs that go in
// circles end (the embedded one recurses until the process dies), and a call that waits
// for updates ends with NotAuthenticated when its session is dropped.
//
// It holds no state of its own: the simulator makes one per session by reflection. Its
// name matters too, since the simulator derives references from Go type names.
type PropertyCollector struct {
	simulator.PropertyCollector
}

// installCollector replaces the root property collector.
func installCollector(model *simulator.Model) {
	collector := &PropertyCollector{}
	collector.Self = model.ServiceContent.PropertyCollector
	model.Map().Put(collector)
}

// RetrievePropertiesEx walks the traversal specs itself and hands the embedded
// collector the flat list of the objects found.
func (pc *PropertyCollector) RetrievePropertiesEx(ctx *simulator.Context, r *types.RetrievePropertiesEx) soap.HasFault {
	specs, fault := pc.flatten(ctx, r.SpecSet)
	if fault != nil {
		return &methods.RetrievePropertiesExBody{Fault_: simulator.Fault("", fault)}
	}
	flat := *r
	flat.SpecSet = specs
	return pc.PropertyCollector.RetrievePropertiesEx(ctx, &flat)
}

// RetrieveProperties is the old form of RetrievePropertiesEx, without pages.
func (pc *PropertyCollector) RetrieveProperties(ctx *simulator.Context, r *types.RetrieveProperties) soap.HasFault {
	body := &methods.RetrievePropertiesBody{}
	answer := pc.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{This: r.This, SpecSet: r.SpecSet})
	if fault := answer.Fault(); fault != nil {
		body.Fault_ = fault
		return body
	}
	if whole, ok := answer.(*methods.RetrievePropertiesExBody); ok {
		body.Res = &types.RetrievePropertiesResponse{Returnval: whole.Res.Returnval.Objects}
	}
	return body
}

// CancelRetrievePropertiesEx lets go of the pages not asked for. The simulator keeps
// them until they are, which costs a test run nothing.
func (pc *PropertyCollector) CancelRetrievePropertiesEx(
	_ *simulator.Context, _ *types.CancelRetrievePropertiesEx,
) soap.HasFault {
	return &methods.CancelRetrievePropertiesExBody{Res: &types.CancelRetrievePropertiesExResponse{}}
}

// CreatePropertyCollector makes a further collector for this session, of this type.
func (pc *PropertyCollector) CreatePropertyCollector(
	ctx *simulator.Context, _ *types.CreatePropertyCollector,
) soap.HasFault {
	return &methods.CreatePropertyCollectorBody{
		Res: &types.CreatePropertyCollectorResponse{
			Returnval: ctx.Session.Put(&PropertyCollector{}).Reference(),
		},
	}
}

// CreateFilter flattens a spec that goes in circles, because filters are evaluated by
// the embedded collector. Such a filter watches the objects that exist now; objects
// created later are not added to it. All other filters follow the inventory.
func (pc *PropertyCollector) CreateFilter(ctx *simulator.Context, c *types.CreateFilter) soap.HasFault {
	flat := *c
	for _, object := range c.Spec.ObjectSet {
		if !isCyclic(object.SelectSet) {
			continue
		}
		specs, fault := pc.flatten(ctx, []types.PropertyFilterSpec{c.Spec})
		if fault != nil {
			return &methods.CreateFilterBody{Fault_: simulator.Fault("", fault)}
		}
		flat.Spec = specs[0]
		break
	}
	return pc.PropertyCollector.CreateFilter(ctx, &flat)
}

// WaitForUpdatesEx ends when the session does.
func (pc *PropertyCollector) WaitForUpdatesEx(ctx *simulator.Context, r *types.WaitForUpdatesEx) soap.HasFault {
	stop := make(chan struct{})
	dropped := make(chan bool, 1)
	go func() { dropped <- pc.watchSession(ctx, stop) }()
	answer := pc.PropertyCollector.WaitForUpdatesEx(ctx, r)
	close(stop)
	if !<-dropped {
		return answer
	}
	ctx.Map.RemoveHandler(pc)
	return &methods.WaitForUpdatesExBody{
		Fault_: simulator.Fault("The session is not authenticated.", notAuthenticated(r.This)),
	}
}

// WaitForUpdates is the old form of WaitForUpdatesEx, without options.
func (pc *PropertyCollector) WaitForUpdates(ctx *simulator.Context, r *types.WaitForUpdates) soap.HasFault {
	body := &methods.WaitForUpdatesBody{}
	answer := pc.WaitForUpdatesEx(ctx, &types.WaitForUpdatesEx{This: r.This, Version: r.Version})
	if fault := answer.Fault(); fault != nil {
		body.Fault_ = fault
		return body
	}
	if whole, ok := answer.(*methods.WaitForUpdatesExBody); ok {
		body.Res = &types.WaitForUpdatesResponse{Returnval: *whole.Res.Returnval}
	}
	return body
}

// watchSession cancels the waiting call once the session is gone. It returns whether
// it was; a close of stop ends the watch.
func (pc *PropertyCollector) watchSession(ctx *simulator.Context, stop <-chan struct{}) bool {
	ticker := time.NewTicker(sessionPoll)
	defer ticker.Stop()
	gone := false
	for {
		select {
		case <-stop:
			return gone
		case <-ticker.C:
			if !sessionLives(ctx) {
				gone = true
				// Repeated at each tick: the call may not yet have begun to wait.
				pc.CancelWaitForUpdates(&types.CancelWaitForUpdates{This: pc.Self})
			}
		}
	}
}

func sessionLives(ctx *simulator.Context) bool {
	if ctx.Session.UserName == "" {
		return true // a call from inside this process, which has no login
	}
	answer, ok := ctx.Map.SessionManager().SessionIsActive(ctx, &types.SessionIsActive{
		SessionID: ctx.Session.Key,
		UserName:  ctx.Session.UserName,
	}).(*methods.SessionIsActiveBody)
	return ok && answer.Res != nil && answer.Res.Returnval
}

func notAuthenticated(object types.ManagedObjectReference) *types.NotAuthenticated {
	return &types.NotAuthenticated{
		NoPermission: types.NoPermission{Object: &object, PrivilegeId: "System.View"},
	}
}

// flatten replaces the traversal specs of each filter spec by the objects they select.
func (pc *PropertyCollector) flatten(
	ctx *simulator.Context, specs []types.PropertyFilterSpec,
) ([]types.PropertyFilterSpec, types.BaseMethodFault) {
	flat := make([]types.PropertyFilterSpec, 0, len(specs))
	for _, spec := range specs {
		missingAllowed := spec.ReportMissingObjectsInResults != nil && *spec.ReportMissingObjectsInResults
		var objects []types.ObjectSpec
		for _, object := range spec.ObjectSet {
			if find(ctx, object.Obj) == nil && !missingAllowed {
				return nil, &types.ManagedObjectNotFound{Obj: object.Obj}
			}
			selected, fault := pc.selected(ctx, object)
			if fault != nil {
				return nil, fault
			}
			for _, ref := range selected {
				objects = append(objects, types.ObjectSpec{Obj: ref})
			}
		}
		spec.ObjectSet = objects
		// An object may vanish between the walk and the collection; it is then left out.
		spec.ReportMissingObjectsInResults = types.NewBool(true)
		flat = append(flat, spec)
	}
	return flat, nil
}

// selected lists what one object spec is about: the object itself, unless skipped, and
// what its traversal specs lead to.
func (pc *PropertyCollector) selected(
	ctx *simulator.Context, object types.ObjectSpec,
) ([]types.ManagedObjectReference, types.BaseMethodFault) {
	var refs []types.ManagedObjectReference
	if object.Skip == nil || !*object.Skip {
		refs = append(refs, object.Obj)
	}
	found, fault := traverse(object.Obj, object.SelectSet, pc.references(ctx), registryKinds(ctx))
	return append(refs, found...), fault
}

// references asks the embedded collector for one property of one object, which takes
// the object's lock and copies the value.
func (pc *PropertyCollector) references(ctx *simulator.Context) valueOf {
	return func(ref types.ManagedObjectReference, path string) []types.ManagedObjectReference {
		answer, ok := pc.PropertyCollector.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{
			This: pc.Self,
			SpecSet: []types.PropertyFilterSpec{{
				PropSet:                       []types.PropertySpec{{Type: ref.Type, PathSet: []string{path}}},
				ObjectSet:                     []types.ObjectSpec{{Obj: ref}},
				ReportMissingObjectsInResults: types.NewBool(true),
			}},
		}).(*methods.RetrievePropertiesExBody)
		if !ok || answer.Res == nil {
			return nil
		}
		var refs []types.ManagedObjectReference
		for _, object := range answer.Res.Returnval.Objects {
			for _, property := range object.PropSet {
				switch value := property.Val.(type) {
				case types.ManagedObjectReference:
					refs = append(refs, value)
				case types.ArrayOfManagedObjectReference:
					refs = append(refs, value.ManagedObjectReference...)
				case *types.ArrayOfManagedObjectReference:
					refs = append(refs, value.ManagedObjectReference...)
				}
			}
		}
		return refs
	}
}
