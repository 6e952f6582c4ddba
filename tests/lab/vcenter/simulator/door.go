package main

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// door is the TLS port of the vCenter API. Closed, it refuses connections like a vCenter
// that is down; whatever the vCenter knows, it still knows when the door opens again.
type door struct {
	address string // the one that the first opening got
	config  *tls.Config
	handler http.Handler

	mu     sync.Mutex
	server *http.Server // nil while closed
}

// newDoor opens the port; errors are those of the certificate and of the port.
func newDoor(o options, handler http.Handler) (*door, error) {
	certificate, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, err
	}
	d := &door{
		address: o.listen,
		handler: handler,
		// HTTP/1.1 only: half an answer is the end of a connection, not of a stream.
		config: &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}},
	}
	return d, d.open()
}

func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return nil
	}
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		return err
	}
	d.address = listener.Addr().String()
	server := &http.Server{
		Handler:           d.handler,
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          log.New(os.Stderr, "front: ", 0),
	}
	d.server = server
	go func() { _ = server.Serve(tls.NewListener(listener, d.config)) }()
	return nil
}

// close ends all connections at once, answered or not.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		_ = d.server.Close()
		d.server = nil
	}
}
