package main

import (
	"path"
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// valueOf asks for one property of one object: the references it holds.
type valueOf func(ref types.ManagedObjectReference, path string) []types.ManagedObjectReference

// kindsOf names a managed object's type and the types it extends.
type kindsOf func(ref types.ManagedObjectReference) map[string]bool

// walk follows the traversal specs of one starting object.
//
// Specs may name each other in circles (the OpenStack drivers' specs do), and the
// inventory has circles of its own. Two things end the walk all the same: a spec is
// followed only from objects of its type, and each object is visited once per spec.
type walk struct {
	value   valueOf
	kinds   kindsOf
	named   map[string]*types.TraversalSpec
	visited map[visit]bool
	found   []types.ManagedObjectReference
}

type visit struct {
	spec   *types.TraversalSpec
	object types.ManagedObjectReference
}

// traverse returns the objects that the specs select from start, each once, in the
// order of their discovery; start itself is not among them unless a spec leads back.
// A reference to a spec nobody defined is a fault.
func traverse(
	start types.ManagedObjectReference, specs []types.BaseSelectionSpec, value valueOf, kinds kindsOf,
) ([]types.ManagedObjectReference, types.BaseMethodFault) {
	w := &walk{
		value:   value,
		kinds:   kinds,
		named:   map[string]*types.TraversalSpec{},
		visited: map[visit]bool{},
	}
	w.name(specs)
	if fault := w.follow(start, specs); fault != nil {
		return nil, fault
	}
	return unique(w.found), nil
}

// name learns all named specs first, since a spec may refer to one defined after it.
func (w *walk) name(specs []types.BaseSelectionSpec) {
	for _, one := range specs {
		spec, ok := one.(*types.TraversalSpec)
		if !ok {
			continue
		}
		if spec.Name != "" {
			w.named[spec.Name] = spec
		}
		w.name(spec.SelectSet)
	}
}

func (w *walk) follow(object types.ManagedObjectReference, specs []types.BaseSelectionSpec) types.BaseMethodFault {
	for _, one := range specs {
		spec, fault := w.resolve(one)
		if fault != nil {
			return fault
		}
		step := visit{spec, object}
		if w.visited[step] || !w.kinds(object)[spec.Type] {
			continue
		}
		w.visited[step] = true
		for _, next := range w.value(object, spec.Path) {
			if spec.Skip == nil || !*spec.Skip {
				w.found = append(w.found, next)
			}
			if fault := w.follow(next, spec.SelectSet); fault != nil {
				return fault
			}
		}
	}
	return nil
}

func (w *walk) resolve(one types.BaseSelectionSpec) (*types.TraversalSpec, types.BaseMethodFault) {
	if spec, ok := one.(*types.TraversalSpec); ok {
		return spec, nil
	}
	if spec := w.named[one.GetSelectionSpec().Name]; spec != nil {
		return spec, nil
	}
	return nil, &types.InvalidArgument{InvalidProperty: "undefined TraversalSpec name"}
}

// isCyclic tells whether specs lead back into themselves.
func isCyclic(specs []types.BaseSelectionSpec) bool {
	w := &walk{named: map[string]*types.TraversalSpec{}}
	w.name(specs)
	const open, done = 1, 2
	state := map[*types.TraversalSpec]int{}
	var circles func([]types.BaseSelectionSpec) bool
	circles = func(set []types.BaseSelectionSpec) bool {
		for _, one := range set {
			spec, fault := w.resolve(one)
			if fault != nil || state[spec] == done {
				continue
			}
			if state[spec] == open {
				return true
			}
			state[spec] = open
			if circles(spec.SelectSet) {
				return true
			}
			state[spec] = done
		}
		return false
	}
	return circles(specs)
}

// registryKinds reads the type hierarchy off the Go types: each managed object's struct
// embeds, as its first field, the type it extends.
func registryKinds(ctx *simulator.Context) kindsOf {
	return func(ref types.ManagedObjectReference) map[string]bool {
		kinds := map[string]bool{ref.Type: true}
		object := find(ctx, ref)
		if object == nil {
			return kinds
		}
		kind := reflect.TypeOf(object)
		for {
			if kind.Kind() == reflect.Pointer {
				kind = kind.Elem()
			}
			if kind.Kind() != reflect.Struct {
				return kinds
			}
			if path.Base(kind.PkgPath()) == "mo" {
				kinds[kind.Name()] = true
			}
			if kind.NumField() == 0 || !kind.Field(0).Anonymous {
				return kinds
			}
			kind = kind.Field(0).Type
		}
	}
}

// find looks an object up as the caller sees it: views and collectors belong to sessions.
func find(ctx *simulator.Context, ref types.ManagedObjectReference) mo.Reference {
	if ctx.Session != nil {
		return ctx.Session.Get(ref)
	}
	return ctx.Map.Get(ref)
}

func unique(refs []types.ManagedObjectReference) []types.ManagedObjectReference {
	seen := make(map[types.ManagedObjectReference]bool, len(refs))
	kept := refs[:0]
	for _, ref := range refs {
		if !seen[ref] {
			seen[ref] = true
			kept = append(kept, ref)
		}
	}
	return kept
}
