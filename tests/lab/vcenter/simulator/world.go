package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// taskDeadline bounds what a control waits for inside the simulator.
const taskDeadline = 10 * time.Second

var errUnknown = errors.New("unknown")

// world changes the inventory and the sessions from outside. Whatever it changes is
// pushed to those who wait for updates, by the path of the property that changed.
type world struct {
	model *simulator.Model
	owner *account
}

// installLogin lets the one account in, with the password of the moment.
func installLogin(model *simulator.Model, owner *account) {
	model.Map().SessionManager().ValidLogin = func(login *types.Login) bool {
		return login.UserName == owner.user && login.Password == owner.password.Load()
	}
}

// context is a fresh one for each operation: the simulator's locks belong to contexts.
func (w *world) context() *simulator.Context {
	return &simulator.Context{
		Context: context.Background(),
		Map:     w.model.Map(),
		Session: w.model.Service.Context.Session,
	}
}

func (w *world) setPassword(password string) error {
	if password == "" {
		return errors.New("password is empty")
	}
	w.owner.password.Store(password)
	return nil
}

func (w *world) sessions() []types.UserSession {
	view, ok := w.model.Service.Context.Session.Get(*w.model.ServiceContent.SessionManager).(*simulator.SessionManager)
	if !ok {
		return nil
	}
	sessions := slices.Clone(view.SessionList)
	slices.SortFunc(sessions, func(a, b types.UserSession) int { return a.LoginTime.Compare(b.LoginTime) })
	return sessions
}

// dropSessions ends every session. The next call of each gives NotAuthenticated; a call
// that is waiting for updates gives it within a moment.
func (w *world) dropSessions() int {
	dropped := 0
	for _, session := range w.sessions() {
		answer := w.model.Map().SessionManager().TerminateSession(w.context(), &types.TerminateSession{
			SessionId: []string{session.Key},
		})
		if answer.Fault() == nil {
			dropped++
		}
	}
	return dropped
}

func (w *world) renameCluster(name, next string) error {
	cluster, err := w.named("ClusterComputeResource", name)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(context.Background(), taskDeadline)
	defer cancel()
	client, err := vim25.NewClient(limit, w.model.Service)
	if err != nil {
		return err
	}
	task, err := object.NewCommon(client, cluster.Reference()).Rename(limit, next)
	if err != nil {
		return err
	}
	return task.Wait(limit)
}

// setHostConnection connects a host to the vCenter or loses it.
func (w *world) setHostConnection(name string, connected bool) error {
	state := types.HostSystemConnectionStateDisconnected
	if connected {
		state = types.HostSystemConnectionStateConnected
	}
	return w.updateHost(name, "connectionState", state)
}

func (w *world) setHostMaintenance(name string, maintenance bool) error {
	return w.updateHost(name, "inMaintenanceMode", maintenance)
}

// updateHost sets a runtime property; the host's summary shows the same one.
func (w *world) updateHost(name, property string, value any) error {
	host, err := w.named("HostSystem", name)
	if err != nil {
		return err
	}
	ctx := w.context()
	ctx.Map.AtomicUpdate(ctx, host, []types.PropertyChange{
		{Name: "runtime." + property, Val: value},
		{Name: "summary.runtime." + property, Val: value},
	})
	return nil
}

// setDatastoreFree sets the bytes that are left.
func (w *world) setDatastoreFree(name string, free int64) error {
	entity, err := w.named("Datastore", name)
	if err != nil {
		return err
	}
	datastore, ok := entity.(*simulator.Datastore)
	if !ok || free < 0 || free > datastore.Summary.Capacity {
		return fmt.Errorf("free must be from 0 to the capacity of %s", name)
	}
	ctx := w.context()
	ctx.WithLock(datastore, func() {
		datastore.Info.GetDatastoreInfo().FreeSpace = free
		ctx.Update(datastore, []types.PropertyChange{
			{Name: "summary.freeSpace", Val: free},
			// Whole: the simulator cannot set a property behind an interface.
			{Name: "info", Val: datastore.Info},
		})
	})
	return nil
}

// named finds an entity by its type and name; the error lists the names that exist.
func (w *world) named(kind, name string) (mo.Entity, error) {
	var known []string
	for _, entity := range w.sorted(kind) {
		if entity.Entity().Name == name {
			return entity, nil
		}
		known = append(known, entity.Entity().Name)
	}
	return nil, fmt.Errorf("%w: no %s %q (known: %s)", errUnknown, kind, name, strings.Join(known, ", "))
}

// sorted lists the entities of a type by name.
func (w *world) sorted(kind string) []mo.Entity {
	entities := w.model.Map().All(kind)
	slices.SortFunc(entities, func(a, b mo.Entity) int { return cmp.Compare(a.Entity().Name, b.Entity().Name) })
	return entities
}

// read runs a look at an object under its lock.
func (w *world) read(ref mo.Reference, look func()) {
	ctx := w.context()
	ctx.WithLock(ref, look)
}
