package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// expectOverloaded wants the refusal, and with it when to try again.
func expectOverloaded(t *testing.T, name string, err error) {
	t.Helper()
	if got := stacktest.RefusalOf(t, err); got.Code != stacktest.Overloaded.Code || got.Reason != stacktest.Overloaded.Reason {
		t.Errorf("%s: %v, want it refused as %v", name, err, stacktest.Overloaded)
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
	s := stacktest.New(t, map[string]string{"REFLECTION": "on"})
	for name, fill := range map[string]func(testing.TB) func(){
		"the tenant's": func(t testing.TB) func() { t.Helper(); return stacktest.FillLimiter(t, s.Calls, stacktest.Gamers) },
		"all":          func(t testing.TB) func() { t.Helper(); return stacktest.CrowdLimiter(t, s.Calls) },
	} {
		empty := fill(t)
		expectGauges(t, s, s.Calls.Working(), s.Calls.Queued())
		for _, p := range stacktest.Protocols {
			expectOverloaded(t, name+", "+p.Name, getsTask(t.Context(), s, p))
		}
		token := s.Token("alice", "d2-gamers", 2)
		s.Expect(t, name+", what cannot be read", s.Post(stacktest.CreateTask, token, []byte("{")), stacktest.Overloaded)
		s.Expect(t, name+", a body over the limit", s.Post(stacktest.CreateTask, token, stacktest.Padded(stacktest.WireLimit+1)), stacktest.Overloaded)
		s.Expect(t, name+", without a token", s.Post(stacktest.CreateTask, "", []byte("{}")), stacktest.Refused(connect.CodeUnauthenticated, "UNAUTHENTICATED"))
		// Of a small body net/http waits for the rest before it answers over HTTP/1.1.
		for what, opening := range map[string]string{
			"asks before it sends":  "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n",
			"stalls in a long body": "Content-Length: 262145\r\n\r\n{",
		} {
			conn := s.Dial()
			conn.Say("POST " + stacktest.CreateTask + " HTTP/1.1\r\nHost: teamtask\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\n" + opening)
			if got := conn.Hear(); got.Status != http.StatusTooManyRequests {
				t.Errorf("%s, a call that %s: status %d, want 429", name, what, got.Status)
			}
			conn.Close()
		}
		for _, contentType := range []string{"application/json", "application/grpc"} {
			stalled, end := io.Pipe()
			answer := s.Send(s.HTTP2, http.MethodPost, stacktest.CreateTask, token, map[string]string{"Content-Type": contentType}, stalled)
			s.Expect(t, name+", a stream that stalls", answer, stacktest.Overloaded)
			end.Close()
		}
		answersProbes(t, s)
		if got := s.Outcomes(t, stacktest.GetTask, "resource_exhausted"); got%len(stacktest.Protocols) != 0 || got == 0 {
			t.Errorf("%s: %d refusals are counted", name, got)
		}
		empty()
		stacktest.Listed(t, s.As("alice", "d2-gamers"))
		stacktest.LimiterRests(t, s.Calls)
		expectGauges(t, s, 0, 0)
	}
}

// answersProbes wants all that is not limited to be answered.
func answersProbes(t *testing.T, s *stacktest.Stack) {
	t.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		if answer := s.Send(s.HTTP1, http.MethodGet, path, "", nil, nil); answer.Status != http.StatusOK {
			t.Errorf("%s: status %d", path, answer.Status)
		}
	}
	for contentType, body := range map[string][]byte{"application/grpc-web": stacktest.Enveloped(nil), "application/proto": nil} {
		answer := s.Send(s.HTTP1, http.MethodPost, stacktest.HealthCheck, "", map[string]string{"Content-Type": contentType}, bytes.NewReader(body))
		if answer.Status != http.StatusOK || !bytes.Contains(answer.Body, []byte{0x08, 0x01}) {
			t.Errorf("gRPC health: %d %q", answer.Status, answer.Body)
		}
	}
	stream := grpcreflect.NewClient(&http.Client{Transport: s.Transport("", s.HTTP2)}, s.URL, connect.WithGRPC()).NewStream(t.Context())
	if _, err := stream.ListServices(); err != nil {
		t.Errorf("reflection: %v", err)
	}
	if _, err := stream.Close(); err != nil {
		t.Error(err)
	}
}

// expectGauges reads the figures on the admin address.
func expectGauges(t *testing.T, s *stacktest.Stack, working, queueing int) {
	t.Helper()
	families, err := s.Metrics.Gatherer().Gather()
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
		for _, p := range stacktest.Protocols {
			answers := make(chan error, 2*limit)
			for range 2 * limit {
				go func() { answers <- getsTask(t.Context(), s, p) }()
			}
			for range limit {
				<-started
			}
			stacktest.LimiterHas(t, s.Calls, limit, limit)
			for range limit {
				expectOverloaded(t, p.Name, getsTask(t.Context(), s, p))
			}
			for range 2 * limit {
				release <- struct{}{}
			}
			for range 2 * limit {
				if err := <-answers; err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
			}
			for range limit {
				<-started
			}
			stacktest.LimiterRests(t, s.Calls)
		}
		if most.Load() != limit {
			t.Errorf("in all = %v: %d calls were at work at once, want %d", inAll, most.Load(), limit)
		}
	}
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
		leave := stacktest.EnterLimiter(t, s.Calls, stacktest.Gamers)
		token := s.Token("alice", "d2-gamers", 2)
		for _, p := range stacktest.Protocols {
			for range 2 * limit {
				will(func(context.Context) error { panic("thrown") })
				expectInternal(t, s, p)
				will(func(context.Context) error { panic(http.ErrAbortHandler) })
				_ = getsTask(t.Context(), s, p) // however it is told
				will(func(context.Context) error { return errors.New("refused") })
				expectInternal(t, s, p)
				_, err := p.Typed(s, token).GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: "7"})
				if got := stacktest.RefusalOf(t, err); got.Reason != "INVALID_ARGUMENT" {
					t.Errorf("%s: against the rules of the message: %v", p.Name, err)
				}
			}
			s.Post(stacktest.GetTask, "", []byte("{}"))
			s.Post(stacktest.GetTask, token, []byte("{"))
			stacktest.LimiterHas(t, s.Calls, 1, 0)
			will(giveUp)
			ctx, cancel := context.WithCancel(t.Context())
			waiting, stop := context.WithCancel(t.Context())
			var aborted sync.WaitGroup
			for range limit {
				aborted.Go(func() { _ = getsTask(ctx, s, p) }) // it is given up
			}
			for range limit {
				<-started
			}
			aborted.Go(func() { _ = getsTask(waiting, s, p) })
			stacktest.LimiterHas(t, s.Calls, limit+1, 1)
			stop()
			stacktest.LimiterHas(t, s.Calls, limit+1, 0)
			cancel()
			aborted.Wait()
			stacktest.LimiterHas(t, s.Calls, 1, 0)
		}
		leave()
		stacktest.LimiterRests(t, s.Calls)
	}
}

// Twice as many calls come as can be served, none waiting for the answers to others:
// calls at work go on, and every call has a response.
func TestOverloadDoesNotLessenWhatIsServed(t *testing.T) {
	t.Parallel()
	const limit, rounds = 4, 50
	work := make(chan struct{})
	var served, shed atomic.Int64
	s := newLimited(t, tight(false, limit, limit), stub{get: func(context.Context) error {
		<-work
		return nil
	}})
	token := s.Token("alice", "d2-gamers", 2)
	body := fmt.Appendf(nil, `{"id":%q}`, stacktest.NewID(t))
	var all sync.WaitGroup
	for range rounds {
		for range 2 * limit {
			all.Go(func() {
				switch answer := s.Post(stacktest.GetTask, token, body); {
				case answer.Status == http.StatusOK:
					served.Add(1)
				case strings.Contains(string(answer.Body), "RetryInfo"):
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
	stacktest.LimiterRests(t, s.Calls)
}

func TestAStormOfOneTenantLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := newLimited(t, stacktest.PatientLimits(2), stub{get: func(ctx context.Context) error {
		if tenancy.ActorOf(ctx).Tenant == stacktest.Gamers {
			<-release
		}
		return nil
	}})
	atWork, waiting := s.Calls.TenantAtWork, s.Calls.TenantWaiting
	storm := 2 * (atWork + waiting)
	answers := make(chan error, storm)
	for i := range storm {
		go func() { answers <- getsTask(t.Context(), s, stacktest.Protocols[i%len(stacktest.Protocols)]) }()
	}
	for range storm - atWork - waiting {
		expectOverloaded(t, "the storm", <-answers)
	}
	stacktest.LimiterHas(t, s.Calls, atWork, waiting)
	for _, p := range stacktest.Protocols { // a call that waits would wait for ever
		for _, caller := range []struct{ user, org string }{{"erin", "acme"}, {"alice", ""}} {
			_, err := p.Typed(s, s.Token(caller.user, caller.org, 2)).GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)})
			if err != nil {
				t.Errorf("%s in %q over %s: %v", caller.user, caller.org, p.Name, err)
			}
		}
	}
	stacktest.LimiterHas(t, s.Calls, atWork, waiting)
	close(release)
	for range atWork + waiting {
		if err := <-answers; err != nil {
			t.Errorf("a call that waited: %v", err)
		}
	}
	stacktest.LimiterRests(t, s.Calls)
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
	address := listenNarrowly(s, server.DefaultTimeouts())
	token := s.Token("alice", "d2-gamers", 2)
	post := "POST " + stacktest.CreateTask + " HTTP/1.1\r\nHost: teamtask\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
	read := stacktest.Request2(http.MethodGet, stacktest.Listing, token)
	var conns []io.Closer
	for _, opening := range []string{
		post + "Content-Length: 100\r\n\r\n" + `{"name":`,
		stacktest.Greeting() + stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders, 1, stacktest.Request2(http.MethodPost, stacktest.CreateTask, token)),
		stacktest.Get(stacktest.Listing, token) + "\r\n",
		stacktest.Greeting() + stacktest.Frame(stacktest.FrameHeaders, stacktest.EndHeaders|stacktest.EndStream, 1, read), // its window is smaller than the answer
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
	stacktest.Until(t, "all of them are admitted, and the answers are written", func() bool {
		return admitted.Load() == 4*each && begun.Load() == 2*each
	})
	stacktest.LimiterRests(t, s.Calls)
	for _, p := range stacktest.Protocols {
		if err := getsTask(t.Context(), s, p); err != nil {
			t.Errorf("a client that behaves, over %s: %v", p.Name, err)
		}
	}
	if n := s.Outcomes(t, stacktest.ListTasks, "ok") + s.Outcomes(t, stacktest.CreateTask, "invalid_argument"); n != 0 {
		t.Errorf("%d of the slow calls have ended, so that they prove nothing", n)
	}
	for _, conn := range conns {
		conn.Close()
	}
	stacktest.LimiterRests(t, s.Calls)
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
	mux.Handle(stacktest.GetTask, connect.NewServerStreamHandler(stacktest.GetTask, func(_ context.Context, _ *connect.Request[teamtaskv1.GetTaskRequest], out *connect.ServerStream[teamtaskv1.GetTaskResponse]) error {
		started <- struct{}{}
		<-release
		return out.Send(&teamtaskv1.GetTaskResponse{})
	}, options))
	s.Handler = fault.NewExit(s.Log.Logger(), s.Metrics.Call).Handler(server.WithHeaders(server.WithDeadline(mux)))
	s.Listen(s.Log.Logger())
	call := func() error {
		client := connect.NewClient[teamtaskv1.GetTaskRequest, teamtaskv1.GetTaskResponse](
			&http.Client{Transport: s.Transport(s.Token("alice", "d2-gamers", 2), s.HTTP2)}, s.URL+stacktest.GetTask, connect.WithGRPC())
		stream, err := client.CallServerStream(t.Context(), connect.NewRequest(&teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)}))
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
	stacktest.LimiterHas(t, s.Calls, 1, 1)
	expectOverloaded(t, "a stream", call())
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	stacktest.LimiterRests(t, s.Calls)
}

// Two organizations that take up all the room for those who wait are no reason to refuse
// a third for which places are free.
func TestACallThatNeedNotWaitIsNotRefused(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	empty := stacktest.FillLimiter(t, s.Calls, "org_1", "org_2") // half of those that may wait each
	for _, p := range stacktest.Protocols {
		if err := getsTask(t.Context(), s, p); stacktest.RefusalOf(t, err).Reason != "TASK_NOT_FOUND" {
			t.Errorf("over %s: %v", p.Name, err)
		}
	}
	stacktest.Listed(t, s.As("erin", "acme"))
	empty()
	stacktest.LimiterRests(t, s.Calls)
}
