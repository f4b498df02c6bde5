package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

var overloaded = refused(connect.CodeResourceExhausted, "OVERLOADED")

// Tenants of the sandbox: alice's and erin's organizations.
const (
	gamers = "org_d2gamers"
	acme   = "org_acme"
)

// tight are limits of so many at work and waiting, either in all or of each tenant.
func tight(inAll bool, atWork, waiting int) limits {
	const plenty = 1_000
	if inAll {
		return limits{atWork: atWork, waiting: waiting, tenantAtWork: plenty, tenantWaiting: plenty, wait: waitMax, bytes: requestBytesMax, tenantBytes: requestBytesMax}
	}
	return limits{atWork: plenty, waiting: plenty, tenantAtWork: atWork, tenantWaiting: waiting, wait: waitMax, bytes: requestBytesMax, tenantBytes: requestBytesMax}
}

// newLimited serves the task service of a test's own within limits of its own.
func newLimited(t testing.TB, within limits, service teamtaskv1connect.TaskServiceHandler) *stack {
	t.Helper()
	return newStubsWithin(t, within, service, func(ours connect.HandlerOption) connect.HandlerOption { return ours })
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

// has waits until so many calls are at work and so many wait.
func (l *limiter) has(t testing.TB, working, queueing int) {
	t.Helper()
	until(t, fmt.Sprintf("%d at work and %d waiting", working, queueing), func() bool {
		return l.working() == working && l.queueing() == queueing
	})
}

// rests waits until nothing is left of any call.
func (l *limiter) rests(t testing.TB) {
	t.Helper()
	l.has(t, 0, 0)
	until(t, "no tenant is remembered", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.tenants) == 0
	})
}

// enters takes the slots of a call of the tenant, until leave.
func (l *limiter) enters(t testing.TB, tenant string) (leave func()) {
	t.Helper()
	s, err := l.enter(t.Context(), tenant)
	if err != nil {
		t.Fatalf("a call of %s: %v", tenant, err)
	}
	return func() { l.leave(s) }
}

// fill lets as many calls of the tenants work and wait as may, until empty.
func (l *limiter) fill(t testing.TB, tenants ...string) (empty func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	var leave []func()
	for _, tenant := range tenants {
		for range l.tenantAtWork {
			leave = append(leave, l.enters(t, tenant))
		}
		for range l.tenantWaiting {
			waiting.Go(func() {
				if _, err := l.enter(ctx, tenant); !errors.Is(err, context.Canceled) {
					t.Errorf("a call of %s that waits: %v", tenant, err)
				}
			})
		}
	}
	l.has(t, len(tenants)*l.tenantAtWork, len(tenants)*l.tenantWaiting)
	return func() {
		cancel()
		waiting.Wait()
		for _, leave := range leave {
			leave()
		}
	}
}

// crowd lets as many calls work and wait as may, of so many tenants that one more has
// no share that is not another's, until empty.
func (l *limiter) crowd(t testing.TB) (empty func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	var leave []func()
	for i := range l.atWork {
		leave = append(leave, l.enters(t, "org_working"+strconv.Itoa(i)))
	}
	for i := range l.waiting {
		waiting.Go(func() {
			if _, err := l.enter(ctx, "org_waiting"+strconv.Itoa(i)); !errors.Is(err, context.Canceled) {
				t.Errorf("a call that waits: %v", err)
			}
		})
	}
	l.has(t, l.atWork, l.waiting)
	return func() {
		cancel()
		waiting.Wait()
		for _, leave := range leave {
			leave()
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

func TestTheLimitsGoByThePool(t *testing.T) {
	t.Parallel()
	want := limits{atWork: 80, tenantAtWork: 20, waiting: 640, tenantWaiting: 320, wait: time.Second, shedDelay: 200 * time.Millisecond, bytes: 32 << 20, tenantBytes: 16 << 20}
	if got := usualLimits(10); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAFullServerRefusesCallsOnTheirHeadersAlone(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"REFLECTION": "on"})
	for name, fill := range map[string]func(testing.TB) func(){
		"the tenant's": func(t testing.TB) func() { t.Helper(); return s.calls.fill(t, gamers) },
		"all":          s.calls.crowd,
	} {
		empty := fill(t)
		s.expectGauges(t, s.calls.working(), s.calls.queueing())
		for _, p := range protocols {
			expectOverloaded(t, name+", "+p.name, s.getsTask(t.Context(), p))
		}
		token := s.token("alice", "d2-gamers", 2)
		s.expect(t, name+", what cannot be read", s.post(createTask, token, []byte("{")), overloaded)
		s.expect(t, name+", a body over the limit", s.post(createTask, token, padded(wireLimit+1)), overloaded)
		s.expect(t, name+", without a token", s.post(createTask, "", []byte("{}")), refused(connect.CodeUnauthenticated, "UNAUTHENTICATED"))
		// Of a small body net/http waits for the rest before it answers over HTTP/1.1.
		for what, opening := range map[string]string{
			"asks before it sends":  "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n",
			"stalls in a long body": "Content-Length: 262145\r\n\r\n{",
		} {
			conn := s.dial()
			conn.say("POST " + createTask + " HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\n" + opening)
			if got := conn.hear(); got.status != http.StatusTooManyRequests {
				t.Errorf("%s, a call that %s: status %d, want 429", name, what, got.status)
			}
			conn.Close()
		}
		for _, contentType := range []string{"application/json", "application/grpc"} {
			stalled, end := io.Pipe()
			answer := s.send(s.http2, http.MethodPost, createTask, token, map[string]string{"Content-Type": contentType}, stalled)
			s.expect(t, name+", a stream that stalls", answer, overloaded)
			end.Close()
		}
		s.answersProbes(t)
		if got := s.outcomes(t, getTask, "resource_exhausted"); got%len(protocols) != 0 || got == 0 {
			t.Errorf("%s: %d refusals are counted", name, got)
		}
		empty()
		listed(t, s.as("alice", "d2-gamers"))
		s.calls.rests(t)
		s.expectGauges(t, 0, 0)
	}
}

// answersProbes wants all that is not limited to be answered.
func (s *stack) answersProbes(t *testing.T) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		if answer := s.send(s.http1, http.MethodGet, path, "", nil, nil); answer.status != http.StatusOK {
			t.Errorf("%s: status %d", path, answer.status)
		}
	}
	for contentType, body := range map[string][]byte{"application/grpc-web": enveloped(nil), "application/proto": nil} {
		answer := s.send(s.http1, http.MethodPost, healthCheck, "", map[string]string{"Content-Type": contentType}, bytes.NewReader(body))
		if answer.status != http.StatusOK || !bytes.Contains(answer.body, []byte{0x08, 0x01}) {
			t.Errorf("gRPC health: %d %q", answer.status, answer.body)
		}
	}
	stream := grpcreflect.NewClient(&http.Client{Transport: bearing{s, "", s.http2}}, s.url, connect.WithGRPC()).NewStream(t.Context())
	if _, err := stream.ListServices(); err != nil {
		t.Errorf("reflection: %v", err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
}

// expectGauges reads the figures on the admin address.
func (s *stack) expectGauges(t *testing.T, working, queueing int) {
	t.Helper()
	families, err := s.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"teamtask_calls_at_work": working, "teamtask_calls_waiting": queueing}
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
	for _, inAll := range []bool{true, false} {
		started, release := make(chan struct{}, 100), make(chan struct{})
		var now, most atomic.Int64
		s := newLimited(t, tight(inAll, limit, limit), stub{get: func(context.Context) error {
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
			s.calls.has(t, limit, limit)
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
			s.calls.rests(t)
		}
		if most.Load() != limit {
			t.Errorf("in all = %v: %d calls were at work at once, want %d", inAll, most.Load(), limit)
		}
	}
}

func TestCallsAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	t.Parallel()
	const calls = 20
	for _, inAll := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimiter(tight(inAll, 1, calls))
			leave := l.enters(t, gamers)
			var order []int // guarded by the only slot
			for i := range calls {
				go func() {
					defer l.enters(t, gamers)()
					order = append(order, i)
				}()
				synctest.Wait() // it stands in line
			}
			leave()
			synctest.Wait()
			if !slices.IsSorted(order) || len(order) != calls {
				t.Errorf("in all = %v: the order was %v", inAll, order)
			}
			l.rests(t)
		})
	}
}

// Tenants take turns: who comes later does not wait for all of another's storm.
func TestAStormDoesNotStandBeforeOthersInLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(limits{atWork: 1, tenantAtWork: 2, waiting: 100, tenantWaiting: 50, wait: time.Hour})
		leave := l.enters(t, "org_1")
		var order []string // guarded by the only slot
		for _, tenant := range append(slices.Repeat([]string{gamers}, 50), acme) {
			go func() {
				defer l.enters(t, tenant)()
				order = append(order, tenant)
			}()
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		if got := slices.Index(order, acme); got != 1 || len(order) != 51 {
			t.Errorf("%d calls of the storm came first, of %d", got, len(order))
		}
		l.rests(t)
	})
}

func TestACallWaitsOnlyAWhileAndOnlyWithItsCaller(t *testing.T) {
	t.Parallel()
	for _, inAll := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			within := tight(inAll, 1, 1)
			within.wait = callWait
			l := newLimiter(within)
			leave := l.enters(t, gamers)
			started := time.Now()
			if _, err := l.enter(t.Context(), gamers); !errors.Is(err, fault.Overloaded) || time.Since(started) != callWait {
				t.Errorf("a call that waited in vain: %v after %v", err, time.Since(started))
			}
			hurried, cancel := context.WithTimeout(t.Context(), callWait/2)
			defer cancel()
			started = time.Now()
			if _, err := l.enter(hurried, gamers); !errors.Is(err, context.DeadlineExceeded) || time.Since(started) != callWait/2 {
				t.Errorf("a call whose deadline came: %v after %v", err, time.Since(started))
			}
			given, giveUp := context.WithCancel(t.Context())
			answers := make(chan error, 1)
			go func() { _, err := l.enter(given, gamers); answers <- err }()
			synctest.Wait()
			started = time.Now()
			if _, err := l.enter(t.Context(), gamers); !errors.Is(err, fault.Overloaded) || time.Since(started) != 0 {
				t.Errorf("one more than may wait: %v after %v", err, time.Since(started))
			}
			giveUp()
			if err := <-answers; !errors.Is(err, context.Canceled) {
				t.Errorf("a call that was given up: %v", err)
			}
			l.has(t, 1, 0)
			if n := l.tenants[gamers].active; n != 1 {
				t.Errorf("in all = %v: the tenant has %d slots, want the one of the call at work", inAll, n)
			}
			go func() { answers <- nil; l.enters(t, gamers)(); answers <- nil }()
			<-answers
			synctest.Wait()
			leave()
			<-answers
			l.rests(t)
		})
	}
}

// A call that has waited for its tenant's turn waits for that of all only for the rest.
func TestACallThatWaitsTwiceWaitsNoLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(limits{atWork: 1, tenantAtWork: 1, waiting: 2, tenantWaiting: 2, wait: callWait})
		leave := l.enters(t, gamers)
		others, answer := make(chan func(), 1), make(chan error, 1)
		go func() { others <- l.enters(t, acme) }()
		synctest.Wait()
		started := time.Now()
		go func() { _, err := l.enter(t.Context(), gamers); answer <- err }()
		<-time.After(callWait / 2)
		leave()
		leave = <-others
		if err := <-answer; !errors.Is(err, fault.Overloaded) || time.Since(started) != callWait {
			t.Errorf("%v after %v", err, time.Since(started))
		}
		leave()
		l.rests(t)
	})
}

// However many come and go, no more work than may, and nothing is left of them.
func TestTheLimitsHoldForManyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLimiter(limits{atWork: 6, tenantAtWork: 2, waiting: 20, tenantWaiting: 8, wait: time.Millisecond})
	var inAll, done atomic.Int64
	var of [5]atomic.Int64
	atOnce(crowd, func(worker int) {
		for i := range 200 {
			which := (worker + i) % len(of)
			tenant := strconv.Itoa(which)
			ctx, cancel := context.WithCancel(t.Context())
			if i%7 == 0 {
				cancel()
			}
			if s, err := l.enter(ctx, tenant); err == nil {
				if a, b := inAll.Add(1), of[which].Add(1); a > 6 || b > 2 {
					t.Errorf("%d at work, %d of one tenant", a, b)
				}
				done.Add(1)
				runtime.Gosched()
				of[which].Add(-1)
				inAll.Add(-1)
				l.leave(s)
			}
			cancel()
		}
	})
	if done.Load() == 0 {
		t.Error("none was let in")
	}
	l.rests(t)
}

func TestCallsWithoutATenantCountOnlyInAll(t *testing.T) {
	t.Parallel()
	l := newLimiter(limits{atWork: 3, tenantAtWork: 1, waiting: 2, tenantWaiting: 1, wait: waitMax})
	leave := make(chan struct{})
	unary := l.WrapUnary(func(context.Context, connect.AnyRequest) (connect.AnyResponse, error) {
		<-leave
		return nil, nil
	})
	stream := l.WrapStreamingHandler(func(context.Context, connect.StreamingHandlerConn) error {
		<-leave
		return nil
	})
	var working sync.WaitGroup
	for i := range 5 {
		working.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = unary(t.Context(), connect.NewRequest(&teamtaskv1.GetTaskRequest{}))
			} else {
				err = stream(t.Context(), nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	l.has(t, 3, 2)
	exit := fault.NewExit(slog.New(slog.DiscardHandler), nil)
	if _, err := l.gate(exit)(t.Context(), connect.Spec{}, connect.Peer{}, nil); connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("one more than may wait, at the gate: %v", err)
	}
	if _, err := unary(t.Context(), connect.NewRequest(&teamtaskv1.GetTaskRequest{})); !errors.Is(err, fault.Overloaded) {
		t.Errorf("one more than may wait: %v", err)
	}
	if err := stream(t.Context(), nil); !errors.Is(err, fault.Overloaded) {
		t.Errorf("one more than may wait, as a stream: %v", err)
	}
	close(leave)
	working.Wait()
	l.rests(t)
}

// Beside them a call of the same tenant goes on, so that what they leave behind stays.
func TestSlotsComeBackHoweverACallEnds(t *testing.T) {
	t.Parallel()
	const limit = 2
	started := make(chan struct{})
	giveUp := func(ctx context.Context) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	for _, inAll := range []bool{true, false} {
		var get atomic.Pointer[func(context.Context) error] // a client may call again by itself
		will := func(fn func(context.Context) error) { get.Store(&fn) }
		s := newLimited(t, tight(inAll, limit+1, limit), stub{get: func(ctx context.Context) error { return (*get.Load())(ctx) }})
		leave := s.calls.enters(t, gamers)
		token := s.token("alice", "d2-gamers", 2)
		for _, p := range protocols {
			for range 2 * limit {
				will(func(context.Context) error { panic("thrown") })
				expectInternal(t, s, p)
				will(func(context.Context) error { panic(http.ErrAbortHandler) })
				_ = s.getsTask(t.Context(), p) // however it is told
				will(func(context.Context) error { return errors.New("refused") })
				expectInternal(t, s, p)
				_, err := p.typed(s, token).GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: "7"})
				if got := refusalOf(t, err); got.Reason != "INVALID_ARGUMENT" {
					t.Errorf("%s: against the rules of the message: %v", p.name, err)
				}
			}
			s.post(getTask, "", []byte("{}"))
			s.post(getTask, token, []byte("{"))
			s.calls.has(t, 1, 0)
			will(giveUp)
			ctx, cancel := context.WithCancel(t.Context())
			waiting, stop := context.WithCancel(t.Context())
			var aborted sync.WaitGroup
			for range limit {
				aborted.Go(func() { _ = s.getsTask(ctx, p) }) // it is given up
			}
			for range limit {
				<-started
			}
			aborted.Go(func() { _ = s.getsTask(waiting, p) })
			s.calls.has(t, limit+1, 1)
			stop()
			s.calls.has(t, limit+1, 0)
			cancel()
			aborted.Wait()
			s.calls.has(t, 1, 0)
		}
		leave()
		s.calls.rests(t)
	}
}

// Twice as many calls come as can be served, none waiting for the answers to others:
// whoever is at work goes on, and everybody has an answer.
func TestOverloadDoesNotLessenWhatIsServed(t *testing.T) {
	t.Parallel()
	const limit, rounds = 4, 50
	work := make(chan struct{})
	var served, shed atomic.Int64
	s := newLimited(t, tight(false, limit, limit), stub{get: func(context.Context) error {
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
		for range limit { // each is taken by a call that is at work
			work <- struct{}{}
		}
	}
	close(work)
	all.Wait()
	if served.Load() < rounds*limit || shed.Load() == 0 || served.Load()+shed.Load() != 2*rounds*limit {
		t.Errorf("%d were served, %d refused, of %d", served.Load(), shed.Load(), 2*rounds*limit)
	}
	s.calls.rests(t)
}

func TestAStormOfOneTenantLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newLimited(t, patientLimits(2), stub{get: func(ctx context.Context) error {
		if tenancy.ActorOf(ctx).Tenant == gamers {
			<-release
		}
		return nil
	}})
	atWork, waiting := s.calls.tenantAtWork, s.calls.tenantWaiting
	storm := 2 * (atWork + waiting)
	answers := make(chan error, storm)
	for i := range storm {
		go func() { answers <- s.getsTask(t.Context(), protocols[i%len(protocols)]) }()
	}
	for range storm - atWork - waiting {
		expectOverloaded(t, "the storm", <-answers)
	}
	s.calls.has(t, atWork, waiting)
	for _, p := range protocols { // a call that waits would wait for ever
		for _, caller := range []struct{ user, org string }{{"erin", "acme"}, {"alice", ""}} {
			_, err := p.typed(s, s.token(caller.user, caller.org, 2)).GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: newID(t)})
			if err != nil {
				t.Errorf("%s in %q over %s: %v", caller.user, caller.org, p.name, err)
			}
		}
	}
	s.calls.has(t, atWork, waiting)
	close(release)
	for range atWork + waiting {
		if err := <-answers; err != nil {
			t.Errorf("a call that waited: %v", err)
		}
	}
	s.calls.rests(t)
}

// loud answers more than a connection holds.
type loud struct {
	stub
	begun *atomic.Int64
}

func (l loud) ListTasks(context.Context, *teamtaskv1.ListTasksRequest) (*teamtaskv1.ListTasksResponse, error) {
	l.begun.Add(1)
	return &teamtaskv1.ListTasksResponse{NextPageToken: strings.Repeat("x", 256<<10)}, nil
}

// Of clients who do not send, and of such who do not read, there are by far more than
// may be at work. Nobody waits for them.
func TestClientsWhoDoNotSendOrReadHoldNoSlot(t *testing.T) {
	t.Parallel()
	const each = 75
	var admitted, begun atomic.Int64
	within := tight(false, 1, 4*each)
	s := newStubsWithin(t, within, loud{stub{get: func(context.Context) error { return nil }}, &begun}, func(ours connect.HandlerOption) connect.HandlerOption {
		return connect.WithHandlerOptions(ours, connect.WithRequestGate(
			func(ctx context.Context, _ connect.Spec, _ connect.Peer, _ http.Header) (context.Context, error) {
				admitted.Add(1)
				return ctx, nil
			}))
	})
	address := s.listenNarrowly(usualTimeouts())
	token := s.token("alice", "d2-gamers", 2)
	post := "POST " + createTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
	read := request2(http.MethodGet, listing, token)
	var conns []io.Closer
	for _, opening := range []string{
		post + "Content-Length: 100\r\n\r\n" + `{"name":`,
		greeting() + frame(frameHeaders, endHeaders, 1, request2(http.MethodPost, createTask, token)),
		get(listing, token) + "\r\n",
		greeting() + frame(frameHeaders, endHeaders|endStream, 1, read), // its window is smaller than the answer
	} {
		for range each {
			conn, err := narrow.DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			conns = append(conns, conn)
			if _, err := io.WriteString(conn, opening); err != nil {
				t.Fatal(err)
			}
		}
	}
	until(t, "all of them are admitted, and the answers are written", func() bool {
		return admitted.Load() == 4*each && begun.Load() == 2*each
	})
	s.calls.rests(t)
	for _, p := range protocols {
		if err := s.getsTask(t.Context(), p); err != nil {
			t.Errorf("a client that behaves, over %s: %v", p.name, err)
		}
	}
	if n := s.outcomes(t, listTasks, "ok") + s.outcomes(t, createTask, "invalid_argument"); n != 0 {
		t.Errorf("%d of the slow calls have ended, so that they prove nothing", n)
	}
	for _, conn := range conns {
		conn.Close()
	}
	s.calls.rests(t)
}

func TestAStreamIsLimited(t *testing.T) {
	t.Parallel()
	var options connect.HandlerOption
	s := newStubsWithin(t, tight(false, 1, 1), stub{}, func(ours connect.HandlerOption) connect.HandlerOption {
		options = ours
		return ours
	})
	started, release := make(chan struct{}, 2), make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle(getTask, connect.NewServerStreamHandler(getTask, func(_ context.Context, _ *connect.Request[teamtaskv1.GetTaskRequest], out *connect.ServerStream[teamtaskv1.GetTaskResponse]) error {
		started <- struct{}{}
		<-release
		return out.Send(&teamtaskv1.GetTaskResponse{})
	}, options))
	s.handler = fault.NewExit(s.log.logger(), s.metrics.observe).Handler(withHeaders(withDeadline(mux)))
	s.listen(s.log.logger())
	call := func() error {
		client := connect.NewClient[teamtaskv1.GetTaskRequest, teamtaskv1.GetTaskResponse](
			&http.Client{Transport: bearing{s, s.token("alice", "d2-gamers", 2), s.http2}}, s.url+getTask, connect.WithGRPC())
		stream, err := client.CallServerStream(t.Context(), connect.NewRequest(&teamtaskv1.GetTaskRequest{Id: newID(t)}))
		if err != nil {
			return err
		}
		defer stream.Close()
		for stream.Receive() {
		}
		return stream.Err()
	}
	answers := make(chan error, 2)
	go func() { answers <- call() }()
	<-started
	go func() { answers <- call() }()
	s.calls.has(t, 1, 1)
	expectOverloaded(t, "a stream", call())
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	s.calls.rests(t)
}

// What the limit adds to every call.
func BenchmarkEnterAndLeave(b *testing.B) {
	l := newLimiter(usualLimits(8))
	b.Run("one after the other", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := l.enter(b.Context(), gamers)
			if err != nil {
				b.Fatal(err)
			}
			l.leave(s)
		}
	})
	b.Run("all processors", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				s, err := l.enter(b.Context(), gamers)
				if err != nil {
					b.Error(err)
					return
				}
				l.leave(s)
			}
		})
	})
}
