// A vCenter for the lab: govmomi's simulator with one small inventory, behind a
// front that speaks TLS, serves the WSDL, mends what the OpenStack drivers send,
// and can be told over a second, plain port to misbehave.
//
//	door.go        TLS port, which can be closed and opened again
//	front.go       what passes through it: WSDL, textual repairs, faults, reverse proxy
//	faults.go      which methods are late, silent or cut in half
//	repair.go      request bodies that the simulator's decoder would refuse
//	amend.go       decoded requests that a real vCenter would complete itself
//	observer.go    properties that the simulator leaves empty; which file is which disk
//	disks.go       the identity of disks
//	portgroups.go  port groups: versions, uplinks, and changes of a part of them
//	collector.go   property collector that survives cyclic traversal specs
//	traversal.go   the walk over traversal specs
//	inventory.go   what the vCenter holds at its start
//	world.go       changes of the inventory and the sessions, pushed to watchers
//	state.go       what the controls tell about the vCenter
//	control.go     the test controls, JSON over HTTP
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	_ "github.com/vmware/govmomi/pbm/simulator" // registers the storage policy endpoint
	"github.com/vmware/govmomi/simulator"
)

// account is the one account that may log in; its password changes while tests run.
type account struct {
	user     string
	password atomic.Value
}

type options struct {
	listen, control string
	cert, key       string
	wsdl, home      string
	user, password  string
	inventory       inventory
	trace           bool
}

func parseOptions(arguments []string) (options, error) {
	o := options{}
	set := flag.NewFlagSet("vcenter-simulator", flag.ContinueOnError)
	set.StringVar(&o.listen, "listen", "127.0.0.1:0", "address and port of the vCenter API (TLS)")
	set.StringVar(&o.control, "control", "127.0.0.1:0", "loopback address and port of the test controls (plain HTTP)")
	set.StringVar(&o.cert, "cert", "", "server certificate, PEM")
	set.StringVar(&o.key, "key", "", "key of the server certificate, PEM")
	set.StringVar(&o.wsdl, "wsdl", "", "directory with vimService.wsdl and its schemas; none served if empty")
	set.StringVar(&o.user, "user", "administrator@vsphere.local", "the account")
	set.StringVar(&o.password, "password", "secret", "its password at the start")
	set.StringVar(&o.home, "home", "", "folder for the datastores' files; the system's temporary folder if empty")
	set.IntVar(&o.inventory.clusters, "clusters", 2, "clusters DC0_C0, DC0_C1, ...")
	set.IntVar(&o.inventory.hosts, "hosts", 3, "hosts in each cluster")
	set.IntVar(&o.inventory.datastores, "datastores", 2, "datastores LocalDS_0, LocalDS_1, ...")
	set.IntVar(&o.inventory.machines, "machines", 0, "virtual machines in each cluster")
	set.StringVar(&o.inventory.identity, "instance-uuid", instanceUUID, "this vCenter's identity")
	set.BoolVar(&o.trace, "trace", false, "write the SOAP traffic to standard error")
	if err := set.Parse(arguments); err != nil {
		return o, err
	}
	if o.cert == "" || o.key == "" {
		return o, errors.New("-cert and -key are needed: the vCenter API is TLS only")
	}
	return o, nil
}

func main() {
	o, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vcenter-simulator:", err)
		os.Exit(1)
	}
}

// run serves until SIGINT or SIGTERM, then removes the datastores' files.
func run(o options) error {
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	simulator.Trace = o.trace
	if err := useHome(o.home); err != nil {
		return err
	}
	model, err := o.inventory.create()
	if err != nil {
		return err
	}
	defer model.Remove()
	owner := &account{user: o.user}
	owner.password.Store(o.password)
	backend := serveBackend(model, owner)
	defer backend.CloseClientConnections()

	faults := newFaults()
	door, err := newDoor(o, newFront(o.wsdl, faults, backend.URL))
	if err != nil {
		return err
	}
	defer door.close()
	control, err := net.Listen("tcp", o.control)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- newControlServer(&world{model: model, owner: owner}, faults, door).Serve(control) }()
	// One line on standard output, once both ports accept: the caller waits for it.
	fmt.Printf("ready listen=%s control=%s\n", door.address, control.Addr())

	select {
	case err = <-failed:
		return err
	case <-stop.Done():
		return nil
	}
}

// useHome makes the simulator put the datastores' files below a folder.
func useHome(folder string) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return os.Setenv("TMPDIR", folder)
}

// serveBackend starts the simulator itself on a loopback port that the kernel picks.
// It is plain HTTP: nothing but the front ever speaks to it.
func serveBackend(model *simulator.Model, owner *account) *simulator.Server {
	password, _ := owner.password.Load().(string)
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(owner.user, password)}
	model.Service.RegisterEndpoints = true
	installLogin(model, owner)
	disks := newDiskIdentities()
	installAmendments(model, disks)
	installPortGroups(model)
	installObserver(model, disks)
	installCollector(model)
	return model.Service.NewServer()
}
