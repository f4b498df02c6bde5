package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

var notFound = New(connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, "there is no such task")

func TestACopyOfAFaultIsStillThatFault(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	changed := notFound.With("a", "1").With("b", "2").Because(cause).Saying("other words").After(time.Second)
	wrapped := fmt.Errorf("get task: %w", changed)
	if !errors.Is(wrapped, notFound) || !errors.Is(wrapped, cause) {
		t.Error("a changed copy is not recognised, or lost its cause")
	}
	if errors.Is(wrapped, Invalid) || errors.Is(notFound, errors.New("there is no such task")) {
		t.Error("another fault is taken for it")
	}
	if changed.Error() != "other words: cause" || changed.Code() != connect.CodeNotFound || changed.Reason() != teamtaskv1.Reason_REASON_TASK_NOT_FOUND {
		t.Errorf("%v, %v, %v", changed, changed.Code(), changed.Reason())
	}
	if len(notFound.metadata) != 0 || notFound.cause != nil || notFound.words != "there is no such task" || notFound.retry != 0 {
		t.Errorf("the declared fault was changed: %+v", notFound)
	}
	one := notFound.With("a", "1")
	_ = one.With("a", "2")
	if one.metadata["a"] != "1" {
		t.Error("a copy shares its metadata with the next")
	}
}

func TestWhatTheCallerMayBeToldOfAnError(t *testing.T) {
	t.Parallel()
	secret := errors.New("SECRET")
	of := func(code connect.Code, words string) error { return connect.NewError(code, errors.New(words)) }
	for name, c := range map[string]struct {
		err    error
		code   connect.Code
		reason teamtaskv1.Reason
		words  string // "": any
	}{
		"a fault":               {notFound, connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, "there is no such task"},
		"a wrapped fault":       {fmt.Errorf("SECRET: %w", notFound.Because(secret)), connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, "there is no such task"},
		"a fault among others":  {errors.Join(secret, notFound), connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, "there is no such task"},
		"a fault of a deadline": {notFound.Because(context.DeadlineExceeded), connect.CodeNotFound, teamtaskv1.Reason_REASON_TASK_NOT_FOUND, ""},
		"a deadline":            {fmt.Errorf("SECRET: %w", context.DeadlineExceeded), connect.CodeDeadlineExceeded, teamtaskv1.Reason_REASON_DEADLINE_EXCEEDED, "the call took longer than its deadline"},
		"a caller who left":     {fmt.Errorf("SECRET: %w", context.Canceled), connect.CodeCanceled, 0, "the call was canceled"},
		"a body too large":      {&http.MaxBytesError{Limit: 7}, connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_MESSAGE_TOO_LARGE, "the message is too large"},
		"a message too large":   {of(connect.CodeResourceExhausted, "message size 9 SECRET"), connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_MESSAGE_TOO_LARGE, "the message is too large"},
		"bad JSON":              {of(connect.CodeInvalidArgument, "unmarshal message: line 1"), connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_INVALID_ARGUMENT, "the request cannot be read: line 1"},
		"a bad timeout":         {of(connect.CodeInvalidArgument, "parse timeout: SECRET"), connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_INVALID_ARGUMENT, "the timeout cannot be read"},
		"another bad request":   {of(connect.CodeInvalidArgument, "SECRET"), connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_INVALID_ARGUMENT, "the request cannot be read"},
		"a strange call":        {of(connect.CodeUnimplemented, "SECRET"), connect.CodeUnimplemented, teamtaskv1.Reason_REASON_METHOD_UNKNOWN, "there is no such method, or it cannot be called like this"},
		"a strange compression": {of(connect.CodeUnimplemented, `unknown compression "SECRET"`), connect.CodeUnimplemented, teamtaskv1.Reason_REASON_METHOD_UNKNOWN, "the compression of the request is not supported; use gzip or none"},
		"a cut envelope":        {of(connect.CodeInternal, "protocol error: SECRET"), connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_INVALID_ARGUMENT, ""},
		"a cut body":            {of(connect.CodeUnknown, "read message: SECRET"), connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_INVALID_ARGUMENT, ""},
	} {
		e, told := onWire(c.err, "id")
		if !told || e.Code() != c.code {
			t.Errorf("%s: told = %v, %v; want %v", name, told, e, c.code)
		}
		if c.words != "" && e.Message() != c.words {
			t.Errorf("%s: %q, want %q", name, e.Message(), c.words)
		}
		if got := reasonIn(t, e); got != ReasonName(c.reason) && c.reason != 0 || c.reason == 0 && got != "" {
			t.Errorf("%s: reason %q, want %v", name, got, c.reason)
		}
		for _, text := range append([]string{e.Message()}, detailTexts(t, e)...) {
			if strings.Contains(text, "SECRET") {
				t.Errorf("%s: the caller is told %q", name, text)
			}
		}
	}
}

func TestEverythingElseIsAnInternalErrorAndTheRequestID(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errors.New("SECRET"),
		io.ErrUnexpectedEOF,
		connect.NewError(connect.CodeInternal, errors.New("SECRET")),
		connect.NewError(connect.CodeUnknown, errors.New("SECRET")),
		connect.NewError(connect.CodeUnavailable, errors.New("SECRET")),
		connect.NewError(connect.CodePermissionDenied, errors.New("SECRET")),
		connect.NewError(connect.CodeUnauthenticated, errors.New("SECRET")),
		Panicked("SECRET"),
		Panicked(notFound),
	} {
		e, told := onWire(err, "the-id")
		if told || e.Code() != connect.CodeInternal || e.Message() != "internal error" {
			t.Errorf("%T: told = %v, %v", err, told, e)
		}
		want := []proto.Message{&errdetails.RequestInfo{RequestId: "the-id"}}
		if diff := cmp.Diff(want, detailsOf(t, e), protocmp.Transform()); diff != "" {
			t.Errorf("%T: details (-want +got):\n%s", err, diff)
		}
	}
}

func TestTheDetailsOfAFault(t *testing.T) {
	t.Parallel()
	e, _ := onWire(notFound.With("k", "v").After(1500*time.Millisecond), "id")
	want := []proto.Message{
		&errdetails.ErrorInfo{Reason: "TASK_NOT_FOUND", Domain: "teamtask", Metadata: map[string]string{"k": "v"}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
	}
	if diff := cmp.Diff(want, detailsOf(t, e), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A reason is an enum's value, so that clients can switch on it.
func TestEveryReasonHasAName(t *testing.T) {
	t.Parallel()
	for number, name := range teamtaskv1.Reason_name {
		if got := ReasonName(teamtaskv1.Reason(number)); "REASON_"+got != name {
			t.Errorf("%s is called %s", name, got)
		}
	}
}

func detailsOf(t *testing.T, e *connect.Error) []proto.Message {
	t.Helper()
	var all []proto.Message
	for _, detail := range e.Details() {
		message, err := detail.Value()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, message)
	}
	return all
}

func detailTexts(t *testing.T, e *connect.Error) []string {
	t.Helper()
	var all []string
	for _, detail := range detailsOf(t, e) {
		all = append(all, fmt.Sprint(detail))
	}
	return all
}

func reasonIn(t *testing.T, e *connect.Error) string {
	t.Helper()
	for _, detail := range detailsOf(t, e) {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}
