package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// anyMethod is the method name that stands for all of them.
const anyMethod = "*"

type faultKind string

const (
	faultDelay     faultKind = "delay"     // answers after DelayMS
	faultBlackhole faultKind = "blackhole" // takes the request, never answers
	faultHalf      faultKind = "half"      // sends half of the answer, then cuts the connection
)

// fault is how one method misbehaves.
type fault struct {
	Method  string    `json:"method"` // SOAP method name, or "*"
	Kind    faultKind `json:"kind"`
	DelayMS int       `json:"delay_ms,omitempty"` // milliseconds, for "delay"
	Times   int       `json:"times,omitempty"`    // spent after so many requests; 0: never
}

func (f fault) check() error {
	switch {
	case f.Method == "":
		return fmt.Errorf("method is missing (a SOAP method name or %q)", anyMethod)
	case f.Kind != faultDelay && f.Kind != faultBlackhole && f.Kind != faultHalf:
		return fmt.Errorf("kind %q is not one of delay, blackhole, half", f.Kind)
	case f.Kind == faultDelay && f.DelayMS <= 0:
		return fmt.Errorf("delay_ms must be positive")
	case f.Times < 0:
		return fmt.Errorf("times must not be negative")
	}
	return nil
}

// traffic counts the requests for one method.
type traffic struct {
	Seen int `json:"seen"` // requests since the start
	Held int `json:"held"` // of these, now delayed or in the black hole
}

// faults decides, request by request, how the front misbehaves. At most one fault per
// method; one for the method itself goes before one for all methods.
type faults struct {
	mu       sync.Mutex
	active   map[string]*fault
	traffic  map[string]*traffic
	released chan struct{} // closed by clear: whatever is held, lets go
}

func newFaults() *faults {
	return &faults{
		active:   map[string]*fault{},
		traffic:  map[string]*traffic{},
		released: make(chan struct{}),
	}
}

func (f *faults) set(next fault) error {
	if err := next.check(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active[next.Method] = &next
	return nil
}

// clear ends all faults. Delayed requests go on at once; those in the black hole lose
// their connection, since nobody can tell how long their clients waited.
func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = map[string]*fault{}
	close(f.released)
	f.released = make(chan struct{})
}

func (f *faults) list() []fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]fault, 0, len(f.active))
	for _, one := range f.active {
		all = append(all, *one)
	}
	return all
}

func (f *faults) counts() map[string]traffic {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]traffic, len(f.traffic))
	for method, count := range f.traffic {
		all[method] = *count
	}
	return all
}

// verdict is what happens to one request.
type verdict struct {
	fault    fault // zero: nothing
	released <-chan struct{}
}

// judge counts a request and tells its fate.
func (f *faults) judge(method string) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(method).Seen++
	one, ok := f.active[method]
	if !ok {
		one, ok = f.active[anyMethod]
	}
	if !ok {
		return verdict{}
	}
	if one.Times > 0 {
		one.Times--
		if one.Times == 0 {
			delete(f.active, one.Method)
		}
	}
	return verdict{fault: *one, released: f.released}
}

// hold keeps a request waiting. It returns whether the request may go on.
func (f *faults) hold(ctx context.Context, method string, v verdict) bool {
	if v.fault.Kind != faultDelay && v.fault.Kind != faultBlackhole {
		return true
	}
	f.mark(method, 1)
	defer f.mark(method, -1)
	var late <-chan time.Time // nil for the black hole: never
	if v.fault.Kind == faultDelay {
		timer := time.NewTimer(time.Duration(v.fault.DelayMS) * time.Millisecond)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-late:
		return true
	case <-v.released:
		return v.fault.Kind == faultDelay
	}
}

func (f *faults) mark(method string, change int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count(method).Held += change
}

func (f *faults) count(method string) *traffic {
	count := f.traffic[method]
	if count == nil {
		count = &traffic{}
		f.traffic[method] = count
	}
	return count
}
