package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const envelope = `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Header><a/></soapenv:Header>` +
	`<soapenv:Body><Method xmlns="urn:vim25"><_this type="X">x</_this></Method></soapenv:Body></soapenv:Envelope>`

func startFront(t *testing.T, backend http.HandlerFunc) (*httptest.Server, *faults) {
	t.Helper()
	behind := httptest.NewServer(backend)
	t.Cleanup(behind.Close)
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	faults := newFaults()
	front := httptest.NewServer(newFront("", faults, target))
	t.Cleanup(front.Close)
	t.Cleanup(faults.clear)
	return front, faults
}

func post(ctx context.Context, front *httptest.Server) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL+"/sdk", strings.NewReader(envelope))
	if err != nil {
		return "", err
	}
	response, err := front.Client().Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// The method is the first element inside the body, whatever the header holds.
func TestMethodOf(t *testing.T) {
	for text, want := range map[string]string{envelope: "Method", "<x/>": "", "no XML": "", "": ""} {
		if got := methodOf([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Half an answer is half of the bytes, announced as all of them.
func TestHalfAnswer(t *testing.T) {
	front, faults := startFront(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789") })
	if err := faults.set(fault{Method: "Method", Kind: faultHalf, Times: 1}); err != nil {
		t.Fatal(err)
	}
	body, err := post(t.Context(), front)
	if body != "01234" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", body, err)
	}
	if body, err = post(t.Context(), front); body != "0123456789" || err != nil {
		t.Errorf("spent fault: got %q, %v", body, err)
	}
}

// The black hole holds a request until the faults are cleared, and never answers it.
func TestBlackHole(t *testing.T) {
	front, faults := startFront(t, func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") })
	if err := faults.set(fault{Method: anyMethod, Kind: faultBlackhole}); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := post(t.Context(), front)
		failed <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for faults.counts()["Method"].Held == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	faults.clear()
	if err := <-failed; err == nil {
		t.Error("a request in the black hole was answered")
	}
	if got := faults.counts()["Method"]; got != (traffic{Seen: 1}) {
		t.Errorf("counted %v", got)
	}
}

// What suds writes becomes what the decoder reads; everything else stays as it is.
func TestRepairBody(t *testing.T) {
	for before, after := range map[string]string{
		"<at>2024-01-02T03:04:05.678</at>":       "<at>2024-01-02T03:04:05.678Z</at>",
		"<at>2024-01-02T03:04:05Z</at>":          "<at>2024-01-02T03:04:05Z</at>",
		`<n:capacityKb a="b">1024.0</n:x>`:       `<n:capacityKb a="b">1024</n:x>`,
		"<ns0:newCapacityKb>7.0</":               "<ns0:newCapacityKb>7</",
		"<version>7.0</version><name>1.0</name>": "<version>7.0</version><name>1.0</name>",
	} {
		if got := string(repairBody([]byte(before))); got != after {
			t.Errorf("%q became %q, want %q", before, got, after)
		}
	}
}
