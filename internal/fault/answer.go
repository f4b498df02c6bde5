package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"
)

const (
	heldMax           = 64 << 10 // bytes of a foreign error that are looked at
	grpcStatus        = "Grpc-Status"
	grpcStatusTrailer = http.TrailerPrefix + grpcStatus
)

// answer holds back an error that was not stated by us until it can be restated.
// Everything else passes through untouched.
type answer struct {
	http.ResponseWriter
	call   *call
	sent   bool // something has gone out
	status int  // of an error held back, or 0
	held   bytes.Buffer
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if status >= http.StatusBadRequest && !a.call.ours && !a.sent {
		if a.status == 0 {
			a.status = status
		}
		return
	}
	a.sent = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status != 0 {
		if room := heldMax - a.held.Len(); room > 0 {
			a.held.Write(p[:min(room, len(p))])
		}
		return len(p), nil
	}
	a.sent = true
	return a.ResponseWriter.Write(p)
}

// Flush sends what there is. Before the first byte there is nothing to send but
// headers, and those wait until it is known whether they announce an error.
func (a *answer) Flush() {
	if !a.sent && !a.call.ours {
		return
	}
	a.sent = true
	_ = http.NewResponseController(a.ResponseWriter).Flush() // a connection that is gone shows at the next write
}

// discard forgets an answer that was begun but not sent.
func (a *answer) discard() {
	h := a.Header()
	for key := range h {
		if strings.HasPrefix(key, http.TrailerPrefix) || strings.HasPrefix(key, "Grpc-") || strings.HasPrefix(key, "Trailer") {
			delete(h, key)
		}
	}
	h.Del("Content-Encoding")
	h.Del("Content-Length")
	a.status = 0
	a.held.Reset()
}

// restate replaces an error that Connect or net/http made by themselves with the
// one that stands for it here.
func (x *Exit) restate(a *answer, r *http.Request) {
	if a.call.ours {
		return
	}
	if a.status != 0 {
		x.restateHTTP(a, r)
		return
	}
	header := a.Header()
	status := header.Get(grpcStatus)
	if trailer := header[grpcStatusTrailer]; len(trailer) > 0 {
		status = trailer[0]
	}
	if status == "" || status == "0" || a.sent {
		return
	}
	code, err := strconv.ParseUint(status, 10, 32)
	if err != nil {
		code = uint64(connect.CodeUnknown)
	}
	message := header.Get("Grpc-Message")
	if trailer := header[http.TrailerPrefix+"Grpc-Message"]; len(trailer) > 0 {
		message = trailer[0]
	}
	x.replace(a, r, connect.Code(code), message)
}

// restateHTTP restates an answer of 400 and above: a Connect error, or a bare
// status such as 404, 405 or 415, which keeps its status and gets a body.
func (x *Exit) restateHTTP(a *answer, r *http.Request) {
	var wire struct {
		Code    connect.Code `json:"code"`
		Message string       `json:"message"`
	}
	if json.Unmarshal(a.held.Bytes(), &wire) == nil && wire.Code != 0 {
		x.replace(a, r, wire.Code, wire.Message)
		return
	}
	status := a.status
	stands := ofStatus(status, r, a.Header().Get("Allow"))
	a.discard()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		x.Refuse(a.ResponseWriter, r, stands)
		return
	}
	x.Refuse(&fixedStatus{ResponseWriter: a.ResponseWriter, status: status}, r, stands)
}

func (x *Exit) replace(a *answer, r *http.Request, code connect.Code, message string) {
	a.discard()
	if f := ofConnect(code, message); f != nil {
		if code == connect.CodeResourceExhausted {
			f = f.Because(errors.New(message)) // sizes; the others may hold the caller's address
		}
		x.Refuse(a.ResponseWriter, r, f)
		return
	}
	x.Refuse(a.ResponseWriter, r, connect.NewError(code, errors.New(message)))
}

// fixedStatus writes one HTTP status whatever the code would have it be.
type fixedStatus struct {
	http.ResponseWriter
	status int
}

func (f *fixedStatus) WriteHeader(int) { f.ResponseWriter.WriteHeader(f.status) }
