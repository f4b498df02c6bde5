package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
)

var overloaded = refused(connect.CodeResourceExhausted, "OVERLOADED")

// newLimited serves the task service of a test's own within the limit.
func newLimited(t testing.TB, calls *limiter, service teamtaskv1connect.TaskServiceHandler) *stack {
	t.Helper()
	var options connect.HandlerOption
	s := newStubsWith(t, service, func(ours connect.HandlerOption) connect.HandlerOption {
		options = ours
		return ours
	})
	exit := fault.NewExit(s.log.logger(), s.metrics.observe)
	path, handler := teamtaskv1connect.NewTaskServiceHandler(service, options)
	mux := http.NewServeMux()
	mux.Handle(path, calls.handler(exit, handler))
	s.handler = exit.Handler(withHeaders(withDeadline(mux)))
	s.listen(s.log.logger())
	return s
}

// until waits for the thing.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	for tick := time.Tick(time.Millisecond); !holds(); {
		select {
		case <-tick:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, waitMax)
		}
	}
}

// expectOverloaded wants the refusal, and with it when to try again.
func expectOverloaded(t *testing.T, name string, err error) {
	t.Helper()
	if got := refusalOf(t, err); got.Code != overloaded.Code || got.Reason != overloaded.Reason {
		t.Errorf("%s: %v, want it refused as %v", name, err, overloaded)
		return
	}
	e, _ := errors.AsType[*connect.Error](err)
	for _, detail := range e.Details() {
		if value, err := detail.Value(); err == nil {
			if info, ok := value.(*errdetails.RetryInfo); ok && info.GetRetryDelay().AsDuration() == time.Second {
				return
			}
		}
	}
	t.Errorf("%s: the refusal does not say when to try again", name)
}

func TestAFullServerRefusesCallsOnTheirHeadersAlone(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	public, ok := s.handler.(*api)
	if !ok || cap(public.calls.slots) != callsMax || public.calls.wait != callWait {
		t.Fatalf("the public port is not within the limit: %T", s.handler)
	}
	s.metrics.watchCalls(public.calls)
	for range callsMax {
		if err := public.calls.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	public.calls.waiting.Store(callsMax)
	s.expectGauges(t, callsMax, callsMax)
	for _, p := range protocols {
		expectOverloaded(t, p.name, s.getsTask(t.Context(), p))
	}
	s.expect(t, "without a token", s.post(createTask, "", []byte("{}")), overloaded)
	s.expect(t, "what cannot be read", s.post(createTask, "", []byte("{"), map[string]string{"Content-Encoding": "gzip"}), overloaded)
	s.expect(t, "a body over the limit", s.post(createTask, "", padded(wireLimit+1)), overloaded)
	conn := s.dial()
	conn.say("POST " + createTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n")
	if got := conn.hear(); got.status != http.StatusTooManyRequests {
		t.Errorf("a call that has not sent its body: status %d, want 429", got.status)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if answer := s.send(s.http1, http.MethodGet, path, "", nil, nil); answer.status != http.StatusOK {
			t.Errorf("%s: status %d", path, answer.status)
		}
	}
	for _, contentType := range []string{"application/grpc-web", "application/proto"} {
		header, body := map[string]string{"Content-Type": contentType}, []byte(nil)
		if contentType != "application/proto" {
			body = enveloped(nil)
		}
		if answer := s.send(s.http1, http.MethodPost, healthCheck, "", header, bytes.NewReader(body)); answer.status != http.StatusOK || !bytes.Contains(answer.body, []byte{0x08, 0x01}) {
			t.Errorf("gRPC health: %d %q", answer.status, answer.body)
		}
	}
	public.calls.waiting.Store(0)
	for range callsMax {
		public.calls.leave()
	}
	listed(t, s.as("alice", "d2-gamers"))
	until(t, "all slots are free", func() bool { return public.calls.underWay() == 0 })
	s.expectGauges(t, 0, 0)
}

// expectGauges reads the figures on the admin address.
func (s *stack) expectGauges(t *testing.T, underWay, waiting int) {
	t.Helper()
	families, err := s.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"teamtask_calls_under_way": underWay, "teamtask_calls_waiting": waiting}
	for _, family := range families {
		if n, ok := want[family.GetName()]; ok {
			if got := family.GetMetric()[0].GetGauge().GetValue(); got != float64(n) {
				t.Errorf("%s = %v, want %d", family.GetName(), got, n)
			}
			delete(want, family.GetName())
		}
	}
	if len(want) > 0 {
		t.Errorf("there are no figures %v", want)
	}
}

func TestWaitingCallsAreServedAsOthersEnd(t *testing.T) {
	t.Parallel()
	const limit = 4
	calls := newLimiter(limit, time.Minute)
	started, release := make(chan struct{}, 100), make(chan struct{})
	var now, most atomic.Int64
	s := newLimited(t, calls, stub{get: func(context.Context) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		started <- struct{}{}
		<-release
		return nil
	}})
	for _, p := range protocols {
		answers := make(chan error, 2*limit)
		for range 2 * limit {
			go func() { answers <- s.getsTask(t.Context(), p) }()
		}
		for range limit {
			<-started
		}
		until(t, "as many wait", func() bool { return calls.waiting.Load() == limit })
		for range limit {
			expectOverloaded(t, p.name, s.getsTask(t.Context(), p))
		}
		for range 2 * limit {
			release <- struct{}{}
		}
		for range 2 * limit {
			if err := <-answers; err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
		}
		for range limit {
			<-started
		}
		until(t, "all slots are free", func() bool { return calls.underWay() == 0 && calls.waiting.Load() == 0 })
	}
	if most.Load() != limit {
		t.Errorf("%d calls were served at once, want %d", most.Load(), limit)
	}
}

func TestACallWaitsOnlyAWhileAndOnlyWithItsCaller(t *testing.T) {
	t.Parallel()
	calls := newLimiter(1, time.Millisecond)
	if err := calls.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := calls.enter(t.Context()); !errors.Is(err, fault.Overloaded) {
		t.Errorf("a call that waited in vain: %v", err)
	}
	calls.wait = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := calls.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was given up: %v", err)
	}
	if calls.waiting.Load() != 0 || calls.underWay() != 1 {
		t.Errorf("%d wait, %d are under way", calls.waiting.Load(), calls.underWay())
	}
	later := make(chan error)
	go func() { later <- calls.enter(t.Context()) }()
	until(t, "it waits", func() bool { return calls.waiting.Load() == 1 })
	calls.leave()
	if err := <-later; err != nil {
		t.Errorf("a call whose turn has come: %v", err)
	}
}

func TestSlotsComeBackHoweverACallEnds(t *testing.T) {
	t.Parallel()
	const limit = 2
	calls := newLimiter(limit, time.Minute)
	started := make(chan struct{})
	giveUp := func(ctx context.Context) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	var get func(context.Context) error
	s := newLimited(t, calls, stub{get: func(ctx context.Context) error { return get(ctx) }})
	for _, p := range protocols {
		get = func(context.Context) error { panic("thrown") }
		for range 2 * limit {
			expectInternal(t, s, p)
		}
		get = func(context.Context) error { panic(http.ErrAbortHandler) }
		for range 2 * limit {
			_ = s.getsTask(t.Context(), p) // however it is told
		}
		s.post(getTask, "", []byte("{}"))
		s.post(getTask, s.token("alice", "d2-gamers", 2), []byte("{"))
		get = giveUp
		ctx, cancel := context.WithCancel(t.Context())
		var aborted sync.WaitGroup
		for range limit {
			aborted.Go(func() { _ = s.getsTask(ctx, p) }) // it is given up
		}
		for range limit {
			<-started
		}
		waiting, stop := context.WithCancel(t.Context())
		if p.http2 { // HTTP/1.1 cannot tell before the body is read
			aborted.Go(func() { _ = s.getsTask(waiting, p) })
			until(t, "one waits", func() bool { return calls.waiting.Load() == 1 })
			stop()
			until(t, "none waits", func() bool { return calls.waiting.Load() == 0 })
		}
		cancel()
		stop()
		aborted.Wait()
		until(t, p.name+": all slots are free", func() bool { return calls.underWay() == 0 && calls.waiting.Load() == 0 })
	}
}

// Twice as many calls come as can be served, none waiting for the answers to others:
// as many are served as without the surplus.
func TestOverloadDoesNotLessenWhatIsServed(t *testing.T) {
	t.Parallel()
	const limit, rounds = 4, 50
	calls := newLimiter(limit, time.Minute)
	work := make(chan struct{})
	var served, shed atomic.Int64
	s := newLimited(t, calls, stub{get: func(context.Context) error {
		<-work
		return nil
	}})
	token := s.token("alice", "d2-gamers", 2)
	body := fmt.Appendf(nil, `{"id":%q}`, newID(t))
	var all sync.WaitGroup
	for range rounds {
		for range 2 * limit {
			all.Go(func() {
				switch answer := s.post(getTask, token, body); {
				case answer.status == http.StatusOK:
					served.Add(1)
				case strings.Contains(string(answer.body), "RetryInfo"):
					shed.Add(1)
				}
			})
		}
		for range limit { // each is taken by a call that is being served
			work <- struct{}{}
		}
	}
	const surplus = rounds*limit - 2*limit // all but those that are served, and those that wait
	until(t, "everybody else has an answer", func() bool { return served.Load() == rounds*limit && shed.Load() == surplus })
	close(work)
	all.Wait()
	if served.Load() != rounds*limit+2*limit || shed.Load() != surplus {
		t.Errorf("%d were served, %d refused, of %d", served.Load(), shed.Load(), 2*rounds*limit)
	}
}
