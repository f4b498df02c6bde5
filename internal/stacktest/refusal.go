package stacktest

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// Refusal is what a caller can tell of an error.
type Refusal struct {
	Code     connect.Code
	Reason   string
	Metadata map[string]string
}

// Refused is a refusal without metadata.
func Refused(code connect.Code, reason string) Refusal { return Refusal{Code: code, Reason: reason} }

// RefusalOf reads the error of a client; nil is the zero refusal.
func RefusalOf(t testing.TB, err error) Refusal {
	t.Helper()
	if err == nil {
		return Refusal{}
	}
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		t.Fatalf("not an error of the server: %v", err)
	}
	r := Refusal{Code: e.Code()}
	for _, detail := range e.Details() {
		message, err := detail.Value()
		if err != nil {
			t.Fatalf("detail %s: %v", detail.Type(), err)
		}
		if info, ok := message.(*errdetails.ErrorInfo); ok {
			if info.GetDomain() != "teamtask" {
				t.Errorf("domain = %q, want teamtask", info.GetDomain())
			}
			r.Reason, r.Metadata = info.GetReason(), info.GetMetadata()
		}
	}
	return r
}

// Refusals of what cannot be read, and of a method that is not there.
var (
	Unreadable = Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT")
	NoMethod   = Refused(connect.CodeUnimplemented, "METHOD_UNKNOWN")
)

// Mismatch is the refusal of an etag that is not the present one.
var Mismatch = Refused(connect.CodeAborted, "ETAG_MISMATCH")

// NotAllowed is the refusal of a path of a mask.
func NotAllowed(path string) Refusal {
	return Refusal{connect.CodeInvalidArgument, "INVALID_ARGUMENT", map[string]string{"path": path}}
}

// Overloaded is the refusal of a server that has too much to do.
var Overloaded = Refused(connect.CodeResourceExhausted, "OVERLOADED")

// Expect compares an answer of any protocol; the zero refusal is success.
func (s *Stack) Expect(t *testing.T, name string, answer Reply, want Refusal) {
	t.Helper()
	isGRPC := strings.HasPrefix(answer.Header.Get("Content-Type"), "application/grpc")
	if want.Code == 0 && !isGRPC {
		if answer.Status != http.StatusOK {
			t.Errorf("%s: status %d, want 200: %.200s", name, answer.Status, answer.Body)
		}
		return
	}
	if diff := cmp.Diff(want, answer.Told(t).Refusal); diff != "" {
		t.Errorf("%s (-want +got):\n%s\n%.200s", name, diff, answer.Body)
	}
}
