package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// maxEnvelope bounds a SOAP request, in bytes.
const maxEnvelope = 16 << 20

// front answers what the simulator cannot, mends what it would refuse, and passes the
// rest on.
type front struct {
	wsdl   string
	faults *faults
	proxy  *httputil.ReverseProxy
}

func newFront(wsdl string, faults *faults, backend *url.URL) *front {
	target := &url.URL{Scheme: backend.Scheme, Host: backend.Host}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorLog: log.New(os.Stderr, "front: ", 0),
	}
	return &front{wsdl: wsdl, faults: faults, proxy: proxy}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet && f.isSchema(r.URL.Path):
		f.serveSchema(w, r)
	case r.Method == http.MethodPost && isSOAP(r.URL.Path):
		f.serveSOAP(w, r)
	default:
		r.URL.RawQuery = repairQuery(r.URL.Query()).Encode()
		f.proxy.ServeHTTP(w, r)
	}
}

func isSOAP(location string) bool {
	return strings.HasPrefix(location, "/sdk") || strings.HasPrefix(location, "/pbm")
}

func (f *front) isSchema(location string) bool {
	suffix := path.Ext(location)
	return f.wsdl != "" && strings.HasPrefix(location, "/sdk/") && (suffix == ".wsdl" || suffix == ".xsd")
}

func (f *front) serveSchema(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml")
	http.ServeFile(w, r, filepath.Join(f.wsdl, path.Base(r.URL.Path)))
}

// serveSOAP applies the method's fault around the call.
func (f *front) serveSOAP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	method := methodOf(body)
	v := f.faults.judge(method)
	if !f.faults.hold(r.Context(), method, v) {
		panic(http.ErrAbortHandler) // closes the connection without a reply
	}
	body = repairBody(body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	if v.fault.Kind == faultHalf {
		f.serveHalf(w, r)
		return
	}
	f.proxy.ServeHTTP(w, r)
}

// serveHalf promises the whole answer, sends half of it and closes the connection.
func (f *front) serveHalf(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Accept-Encoding")
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	f.proxy.ServeHTTP(answer, r)
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(answer.body.Len()))
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body.Bytes()[:answer.body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header               { return r.header }
func (r *recorder) WriteHeader(status int)            { r.status = status }
func (r *recorder) Write(content []byte) (int, error) { return r.body.Write(content) }

// methodOf names the SOAP method: the first element inside the body. "" if there is none.
func methodOf(envelope []byte) string {
	decoder := xml.NewDecoder(bytes.NewReader(envelope))
	inBody := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return ""
		}
		element, ok := token.(xml.StartElement)
		switch {
		case ok && inBody:
			return element.Name.Local
		case ok:
			inBody = element.Name.Local == "Body"
		}
	}
}
