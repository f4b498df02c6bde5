package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
)

// exitFor is an exit that logs to the buffer and keeps the outcomes.
func exitFor() (*Exit, *bytes.Buffer, *[]Outcome) {
	var log bytes.Buffer
	var outcomes []Outcome
	x := NewExit(slog.New(slog.NewJSONHandler(&log, nil)), func(o Outcome) { outcomes = append(outcomes, o) })
	return x, &log, &outcomes
}

// sent is an answer as it left the exit.
type sent struct {
	status          int
	header, trailer http.Header
	body            string
}

// serve makes one request to the handler behind the exit.
func serve(t *testing.T, x *Exit, contentType string, next http.HandlerFunc) sent {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x.v1.X/Y", strings.NewReader("{}"))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set(RequestIDHeader, "of-the-caller")
	w := httptest.NewRecorder()
	x.Handler(next).ServeHTTP(w, r)
	result := w.Result()
	defer result.Body.Close()
	return sent{status: result.StatusCode, header: result.Header, trailer: result.Trailer, body: w.Body.String()}
}

// words are the code and the message of an answer in Connect's JSON.
func (s sent) words(t *testing.T) (code, message string) {
	t.Helper()
	var wire struct{ Code, Message string }
	if err := json.Unmarshal([]byte(s.body), &wire); err != nil {
		t.Fatalf("%v: %d %s", err, s.status, s.body)
	}
	return wire.Code, wire.Message
}

func TestEveryCallHasAnIDOfOurs(t *testing.T) {
	t.Parallel()
	x, _, _ := exitFor()
	seen := map[string]bool{}
	for range 100 {
		var inside string
		r := serve(t, x, "application/json", func(_ http.ResponseWriter, r *http.Request) { inside = RequestID(r.Context()) })
		id := r.header.Get(RequestIDHeader)
		if id != inside || len(id) < 20 || seen[id] {
			t.Fatalf("id %q outside, %q inside", id, inside)
		}
		seen[id] = true
	}
	if RequestID(context.Background()) != "" {
		t.Error("a call that is none has an id")
	}
}

func TestAPanicOutsideHandlersIsAnInternalError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		contentType string
		next        http.HandlerFunc
	}{
		{"application/json", func(http.ResponseWriter, *http.Request) { panic("SECRET") }},
		{"text/plain", func(http.ResponseWriter, *http.Request) { panic(errors.New("SECRET")) }},
		{"application/json", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusNotFound) // held back, so it can be taken back
			panic("SECRET")
		}},
	} {
		x, log, outcomes := exitFor()
		r := serve(t, x, c.contentType, c.next)
		if code, message := r.words(t); r.status != http.StatusInternalServerError || code != "internal" || message != "internal error" || r.header.Get("Content-Encoding") != "" {
			t.Errorf("%d %s: %s", r.status, code, message)
		}
		if strings.Contains(log.String(), "SECRET") || !strings.Contains(log.String(), "exit_test.go") {
			t.Errorf("log: %s", log)
		}
		if len(*outcomes) != 1 || (*outcomes)[0].Code != "internal" || (*outcomes)[0].Reason != "INTERNAL" {
			t.Errorf("outcomes: %v", *outcomes)
		}
	}
}

// Half an answer must not look like a whole one.
func TestAPanicBehindTheFirstByteBreaksTheConnection(t *testing.T) {
	t.Parallel()
	x, _, outcomes := exitFor()
	defer func() {
		if thrown, _ := recover().(error); !errors.Is(thrown, http.ErrAbortHandler) {
			t.Errorf("thrown: %v, want http.ErrAbortHandler", thrown)
		}
		if len(*outcomes) != 1 {
			t.Errorf("outcomes: %v", *outcomes)
		}
	}()
	serve(t, x, "application/json", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("later")
	})
}

func TestNetHTTPsOwnWayToDropAConnectionIsPassedOn(t *testing.T) {
	t.Parallel()
	x, log, _ := exitFor()
	defer func() {
		if thrown, _ := recover().(error); !errors.Is(thrown, http.ErrAbortHandler) || log.Len() != 0 {
			t.Errorf("thrown: %v; log: %s", thrown, log)
		}
	}()
	serve(t, x, "application/json", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

func TestABareStatusKeepsItsStatusAndGetsABody(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{400: "invalid_argument", 404: "unimplemented", 405: "unimplemented", 413: "resource_exhausted", 415: "unimplemented", 500: "internal", 503: "internal", 505: "unimplemented"} {
		x, _, _ := exitFor()
		r := serve(t, x, "application/json", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "SECRET", status) })
		code, message := r.words(t)
		if r.status != status || code != want || strings.Contains(message, "SECRET") {
			t.Errorf("%d: %d %s: %s", status, r.status, code, message)
		}
		if r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%d: Content-Type %q", status, r.header.Get("Content-Type"))
		}
	}
}

func TestAnErrorThatOthersWroteIsRestated(t *testing.T) {
	t.Parallel()
	foreign := connect.NewErrorWriter()
	e := connect.NewError(connect.CodeInvalidArgument, errors.New("unmarshal into *teamtaskv1.Task"))
	x, _, _ := exitFor()
	r := serve(t, x, "application/json", func(w http.ResponseWriter, r *http.Request) { _ = foreign.Write(w, r, e) })
	if _, message := r.words(t); message != "the request cannot be read" {
		t.Errorf("Connect: %q", message)
	}
	for _, prefix := range []string{"", http.TrailerPrefix} { // the two ways in which gRPC's status is told
		x, _, _ := exitFor()
		r := serve(t, x, "application/grpc-web", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()[prefix+"Grpc-Status"] = []string{"3"}
			w.Header()[prefix+"Grpc-Message"] = []string{"unmarshal into *teamtaskv1.Task"}
		})
		if got := r.header.Get("Grpc-Message"); got != "the request cannot be read" || len(r.trailer) != 0 {
			t.Errorf("gRPC, %q: %q %v", prefix, got, r.trailer)
		}
	}
}

func TestAnErrorOfOursIsNotTouchedAgain(t *testing.T) {
	t.Parallel()
	x, log, _ := exitFor()
	r := serve(t, x, "application/json", func(w http.ResponseWriter, r *http.Request) { x.Refuse(w, r, notFound) })
	if code, message := r.words(t); code != "not_found" || message != "there is no such task" || r.status != http.StatusNotFound {
		t.Errorf("%d %s: %s", r.status, code, message)
	}
	if strings.Count(log.String(), "\n") != 1 {
		t.Errorf("log: %s", log)
	}
}

func TestAnAnswerThatWentWellPassesThrough(t *testing.T) {
	t.Parallel()
	x, log, outcomes := exitFor()
	r := serve(t, x, "application/json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Own", "1")
		_, _ = io.WriteString(w, "fine")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
	})
	if r.body != "fine" || r.header.Get("X-Own") != "1" || log.Len() != 0 || len(*outcomes) != 1 {
		t.Errorf("%s; log: %s", r.body, log)
	}
}

// What a request quotes stays out of the log; what a fault was caused by is in it.
func TestCausesAreLoggedAndWhatCallersWroteIsNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		logged bool
	}{
		{notFound.Because(errors.New("CAUSE")), true},
		{DatabaseUnavailable.Because(errors.New("CAUSE")), true},
		{errors.New("CAUSE"), true},
		{Invalid.Saying("CAUSE"), false},
		{Invalid.Because(errors.New("CAUSE")), false},
		{connect.NewError(connect.CodeUnimplemented, errors.New("unknown compression CAUSE")), false},
		{connect.NewError(connect.CodeInvalidArgument, errors.New("unmarshal message: CAUSE")), false},
	} {
		x, log, _ := exitFor()
		if err := x.State(t.Context(), "/x.v1.X/Y", c.err); err == nil {
			t.Errorf("%v: stated as no error", c.err)
		}
		if got := strings.Contains(log.String(), "CAUSE"); got != c.logged || !strings.Contains(log.String(), "/x.v1.X/Y") {
			t.Errorf("%v: in the log = %v, want %v: %s", c.err, got, c.logged, log)
		}
	}
	x, log, _ := exitFor()
	if err := x.State(t.Context(), "", nil); err != nil || log.Len() != 0 {
		t.Errorf("no error is stated as %v", err)
	}
}

// A flood of calls that are shed must not become a flood of lines.
func TestCallsThatAreShedAreCountedAndNotLogged(t *testing.T) {
	t.Parallel()
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelDebug} {
		var log bytes.Buffer
		var outcomes []Outcome
		x := NewExit(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: level})), func(o Outcome) { outcomes = append(outcomes, o) })
		serve(t, x, "application/json", func(w http.ResponseWriter, r *http.Request) { x.Refuse(w, r, Overloaded.Because(errors.New("x"))) })
		if got := strings.Contains(log.String(), `"msg":"refused"`); got != (level == slog.LevelDebug) {
			t.Errorf("at level %v: %s", level, log.String())
		}
		if len(outcomes) != 1 || outcomes[0].Reason != "OVERLOADED" || outcomes[0].Code != "resource_exhausted" {
			t.Errorf("outcomes: %v", outcomes)
		}
		serve(t, x, "application/json", func(w http.ResponseWriter, r *http.Request) { x.Refuse(w, r, TooLarge) })
		if !strings.Contains(log.String(), "MESSAGE_TOO_LARGE") {
			t.Errorf("another refusal of the same code is not logged: %s", log.String())
		}
	}
}

// Connect passes what ends the reading of a request on as it is, or puts words of its own
// around it.
func TestWhatEndsTheReadingOfARequestIsKnownAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want *Fault
	}{
		{Overloaded.OnRead(), Overloaded},
		{connect.NewError(connect.CodeUnknown, Overloaded.OnRead()), Overloaded},
		{ofConnect(connect.CodeResourceExhausted, "message is larger than configured max 5 - unable to determine message size: "+Overloaded.OnRead().Error()), Overloaded},
		{ofConnect(connect.CodeResourceExhausted, Overloaded.words), Overloaded},
		{ofConnect(connect.CodeResourceExhausted, "message size 7 is larger than configured max 5"), TooLarge},
	} {
		if got := Of(c.err); !errors.Is(got, c.want) {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
