package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// control answers the test controls. Requests and answers are JSON; an error is
// {"error": "what is wrong"} with status 400, or 404 for a name that does not exist.
//
//	GET    /state                       sessions, clusters, hosts, datastores, machines, port groups
//	GET    /traffic                     {METHOD: {"seen": N, "held": N}}
//	GET    /faults                      the faults that are set
//	POST   /faults                      {"method": NAME or "*", "kind": "delay"|"blackhole"|"half",
//	                                     "delay_ms": N, "times": N}
//	DELETE /faults                      no faults; whatever is held, lets go
//	PUT    /door                        {"open": BOOL}: closed, the vCenter API refuses connections
//	PUT    /password                    {"password": TEXT, "drop_sessions": BOOL}
//	DELETE /sessions                    all sessions end
//	PUT    /clusters/{name}/name        {"name": TEXT}
//	PUT    /hosts/{name}/connection     {"connected": BOOL}
//	PUT    /hosts/{name}/maintenance    {"maintenance": BOOL}
//	PUT    /datastores/{name}/free      {"free": BYTES}
type control struct {
	world  *world
	faults *faults
	door   *door
}

func newControlServer(world *world, faults *faults, door *door) *http.Server {
	c := &control{world: world, faults: faults, door: door}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", c.answer(func(*http.Request) (any, error) { return world.state(), nil }))
	mux.HandleFunc("GET /traffic", c.answer(func(*http.Request) (any, error) { return faults.counts(), nil }))
	mux.HandleFunc("GET /faults", c.answer(func(*http.Request) (any, error) { return faults.list(), nil }))
	mux.HandleFunc("POST /faults", c.answer(c.setFault))
	mux.HandleFunc("DELETE /faults", c.answer(c.clearFaults))
	mux.HandleFunc("PUT /door", c.answer(c.moveDoor))
	mux.HandleFunc("PUT /password", c.answer(c.setPassword))
	mux.HandleFunc("DELETE /sessions", c.answer(c.dropSessions))
	mux.HandleFunc("PUT /clusters/{name}/name", c.answer(c.renameCluster))
	mux.HandleFunc("PUT /hosts/{name}/connection", c.answer(c.connectHost))
	mux.HandleFunc("PUT /hosts/{name}/maintenance", c.answer(c.maintainHost))
	mux.HandleFunc("PUT /datastores/{name}/free", c.answer(c.fillDatastore))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
}

// done is the answer of a control that has nothing to tell.
type done struct{}

// answer wraps a control: its value or its error becomes the reply.
func (c *control) answer(act func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := act(r)
		status := http.StatusOK
		switch {
		case errors.Is(err, errUnknown):
			status = http.StatusNotFound
		case err != nil:
			status = http.StatusBadRequest
		}
		if err != nil {
			value = map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(value)
	}
}

// decode reads a request's JSON; a misspelt field is an error, not a silent default.
func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func (c *control) setFault(r *http.Request) (any, error) {
	var request fault
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return done{}, c.faults.set(request)
}

func (c *control) clearFaults(*http.Request) (any, error) {
	c.faults.clear()
	return done{}, nil
}

func (c *control) moveDoor(r *http.Request) (any, error) {
	var request struct {
		Open bool `json:"open"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	if request.Open {
		return done{}, c.door.open()
	}
	c.door.close()
	return done{}, nil
}

func (c *control) setPassword(r *http.Request) (any, error) {
	var request struct {
		Password     string `json:"password"`
		DropSessions bool   `json:"drop_sessions"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	if err := c.world.setPassword(request.Password); err != nil {
		return nil, err
	}
	if request.DropSessions {
		c.world.dropSessions()
	}
	return done{}, nil
}

func (c *control) dropSessions(*http.Request) (any, error) {
	return map[string]int{"dropped": c.world.dropSessions()}, nil
}

func (c *control) renameCluster(r *http.Request) (any, error) {
	var request struct {
		Name string `json:"name"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return done{}, c.world.renameCluster(r.PathValue("name"), request.Name)
}

func (c *control) connectHost(r *http.Request) (any, error) {
	var request struct {
		Connected bool `json:"connected"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return done{}, c.world.setHostConnection(r.PathValue("name"), request.Connected)
}

func (c *control) maintainHost(r *http.Request) (any, error) {
	var request struct {
		Maintenance bool `json:"maintenance"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return done{}, c.world.setHostMaintenance(r.PathValue("name"), request.Maintenance)
}

func (c *control) fillDatastore(r *http.Request) (any, error) {
	var request struct {
		Free int64 `json:"free"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return done{}, c.world.setDatastoreFree(r.PathValue("name"), request.Free)
}
