package main

import (
	"slices"
	"testing"

	"github.com/vmware/govmomi/vim25/types"
)

// graph is an inventory of two types whose references go in a circle.
var graph = map[string]map[string][]string{
	"pool":  {"child": {"pool2"}, "vm": {"vm1", "vm2"}},
	"pool2": {"child": {"pool"}, "vm": {"vm3"}},
	"vm1":   {"pool": {"pool"}},
	"vm2":   {"pool": {"pool"}},
	"vm3":   {"pool": {"pool2"}},
}

func kindOf(name string) string {
	if name[:2] == "vm" {
		return "VirtualMachine"
	}
	return "ResourcePool"
}

func ref(name string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: kindOf(name), Value: name}
}

func graphValue(object types.ManagedObjectReference, path string) []types.ManagedObjectReference {
	var refs []types.ManagedObjectReference
	for _, name := range graph[object.Value][path] {
		refs = append(refs, ref(name))
	}
	return refs
}

func graphKinds(object types.ManagedObjectReference) map[string]bool {
	return map[string]bool{object.Type: true}
}

func spec(name, kind, path string, next ...string) *types.TraversalSpec {
	s := &types.TraversalSpec{SelectionSpec: types.SelectionSpec{Name: name}, Type: kind, Path: path}
	for _, to := range next {
		s.SelectSet = append(s.SelectSet, &types.SelectionSpec{Name: to})
	}
	return s
}

func names(refs []types.ManagedObjectReference) []string {
	var all []string
	for _, one := range refs {
		all = append(all, one.Value)
	}
	slices.Sort(all)
	return all
}

// Specs that name each other in a circle, over objects in a circle, end, and find
// every object once.
func TestCyclicTraversalEnds(t *testing.T) {
	specs := []types.BaseSelectionSpec{
		spec("children", "ResourcePool", "child", "children", "machines"),
		spec("machines", "ResourcePool", "vm", "home"),
		spec("home", "VirtualMachine", "pool", "children", "machines"),
	}
	found, fault := traverse(ref("pool"), specs, graphValue, graphKinds)
	if fault != nil {
		t.Fatal(fault)
	}
	if want := []string{"pool", "pool2", "vm1", "vm2", "vm3"}; !slices.Equal(names(found), want) {
		t.Errorf("found %v, want %v", names(found), want)
	}
}

// A spec is not followed from an object of another type, even if that has the property.
func TestTraversalHonoursType(t *testing.T) {
	specs := []types.BaseSelectionSpec{spec("machines", "ClusterComputeResource", "vm")}
	found, fault := traverse(ref("pool"), specs, graphValue, graphKinds)
	if fault != nil || len(found) != 0 {
		t.Errorf("found %v (%v), want nothing", names(found), fault)
	}
}

// A skipped object is not found itself; what lies behind it is.
func TestTraversalSkips(t *testing.T) {
	children := spec("children", "ResourcePool", "child", "machines")
	children.Skip = types.NewBool(true)
	specs := []types.BaseSelectionSpec{children, spec("machines", "ResourcePool", "vm")}
	found, _ := traverse(ref("pool"), specs, graphValue, graphKinds)
	if want := []string{"vm1", "vm2", "vm3"}; !slices.Equal(names(found), want) {
		t.Errorf("found %v, want %v", names(found), want)
	}
}

// A reference to a spec that nobody defined is the client's mistake, and said so.
func TestUndefinedSpecIsAFault(t *testing.T) {
	specs := []types.BaseSelectionSpec{spec("children", "ResourcePool", "child", "nobody")}
	if _, fault := traverse(ref("pool"), specs, graphValue, graphKinds); fault == nil {
		t.Error("no fault")
	}
}

// Cycles are seen through references by name; a diamond is none.
func TestIsCyclic(t *testing.T) {
	diamond := []types.BaseSelectionSpec{
		spec("top", "X", "p", "left", "right"),
		spec("left", "X", "p", "bottom"), spec("right", "X", "p", "bottom"), spec("bottom", "X", "p"),
	}
	if isCyclic(diamond) {
		t.Error("a diamond is no cycle")
	}
	if !isCyclic([]types.BaseSelectionSpec{spec("a", "X", "p", "b"), spec("b", "X", "p", "a")}) {
		t.Error("two specs that name each other are a cycle")
	}
}
