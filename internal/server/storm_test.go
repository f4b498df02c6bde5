package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// storm lets so many callers with each token call as fast as they are answered, and after
// a refusal a little later, until the function that it answers is called, which says how
// many calls were served and how many refused.
func storm(t *testing.T, s *stacktest.Stack, tokens []string, callers int, again time.Duration) (stop func() (served, shed int64)) {
	t.Helper()
	body := fmt.Appendf(nil, `{"id":%q}`, stacktest.NewID(t))
	var served, shed atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	for i := range len(tokens) * callers {
		calling.Go(func() {
			for ctx.Err() == nil {
				switch answer := s.Post(stacktest.GetTask, tokens[i%len(tokens)], body); answer.Status {
				case http.StatusOK:
					served.Add(1)
				case http.StatusTooManyRequests:
					shed.Add(1)
					<-time.After(again)
				default:
					t.Errorf("status %d: %s", answer.Status, answer.Body)
				}
			}
		})
	}
	return func() (int64, int64) {
		cancel()
		calling.Wait()
		return served.Load(), shed.Load()
	}
}

// Six tenants call far more than is served. Whoever calls now and then has an answer every
// time, whichever way.
func TestStormsOfManyTenantsLeaveAQuietOneServed(t *testing.T) {
	t.Parallel()
	s := newLimited(t, stacktest.PatientLimits(1), stub{get: func(context.Context) error {
		<-time.After(5 * time.Millisecond)
		return nil
	}})
	tokens := []string{s.Token("alice", "d2-gamers", 2)}
	for _, user := range []string{"alice", "bob", "dana", "ben", "charlie"} {
		tokens = append(tokens, s.Token(user, "", 2))
	}
	stop := storm(t, s, tokens, 2*s.Calls.TenantWaiting/3, 50*time.Millisecond)
	stacktest.Until(t, "the room is full", func() bool { return s.Calls.Queued() > s.Calls.Waiting*9/10 })
	quiet := s.Token("erin", "acme", 2)
	for range 5 {
		for _, p := range stacktest.Protocols {
			if _, err := p.Typed(s, quiet).GetTask(t.Context(), &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)}); err != nil {
				t.Errorf("over %s: %v", p.Name, err)
			}
		}
	}
	served, shed := stop()
	if shed == 0 {
		t.Errorf("%d calls were served and none refused: that was no storm", served)
	}
	stacktest.LimiterRests(t, s.Calls)
}

// called sends one call to the handlers, past the network, and returns its status.
func called(ctx context.Context, s *stacktest.Stack, token, body string) int {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, stacktest.GetTask, strings.NewReader(body))
	r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w.Code
}

// rate is how many calls a second are served, and how many come, while so many callers
// call as fast as they are answered, and after a refusal a little later.
func rate(t testing.TB, s *stacktest.Stack, token string, callers int, again, lasts time.Duration) (served, offered float64) {
	t.Helper()
	body := fmt.Sprintf(`{"id":%q}`, stacktest.NewID(t))
	var ok, shed atomic.Int64
	ends := time.Now().Add(lasts)
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for time.Now().Before(ends) {
				switch status := called(t.Context(), s, token, body); status {
				case http.StatusOK:
					ok.Add(1)
				case http.StatusTooManyRequests:
					shed.Add(1)
					<-time.After(again)
				default:
					t.Errorf("status %d", status)
					return
				}
			}
		})
	}
	calling.Wait()
	return float64(ok.Load()) / lasts.Seconds(), float64(ok.Load()+shed.Load()) / lasts.Seconds()
}

// The load of the test and the benchmark below: ten times what can be served.
const (
	stormWork    = 40 * time.Millisecond
	stormPlaces  = 4
	stormCallers = 22 * stormPlaces
)

func newStormy(t testing.TB) (s *stacktest.Stack, token string) {
	t.Helper()
	s = newLimited(t, tight(false, stormPlaces, stormPlaces), stub{get: func(context.Context) error { <-time.After(stormWork); return nil }})
	token = s.Token("alice", "d2-gamers", 2)
	if status := called(t.Context(), s, token, fmt.Sprintf(`{"id":%q}`, stacktest.NewID(t))); status != http.StatusOK { // the token is known from now on
		t.Fatalf("status %d", status)
	}
	return s, token
}

// Ten times what can be served is called for over the whole chain of handlers: as much is
// served as without. Time passes only while nothing is left to do, so that the verdict is
// about who is let in, not about how fast the machine is; that is for the benchmark.
func TestTenTimesTheLoadIsServedAsWellAsOnce(t *testing.T) {
	t.Parallel()
	s, token := newStormy(t)
	synctest.Test(t, func(t *testing.T) {
		usual, _ := rate(t, s, token, stormPlaces, 2*stormWork, 2*time.Second)
		stormy, offered := rate(t, s, token, stormCallers, 2*stormWork, 2*time.Second)
		t.Logf("%.0f calls a second are served, %.0f of %.0f when too many come", usual, stormy, offered)
		if stormy < usual || offered < 10*usual {
			t.Errorf("%.0f calls a second are served of %.0f that come, want %.0f of ten times as many", stormy, offered, usual)
		}
		stacktest.LimiterRests(t, s.Calls)
	})
}

// What is left of what is served where ten times as much is called for.
func BenchmarkTenTimesTheLoad(b *testing.B) {
	s, token := newStormy(b)
	for b.Loop() {
		usual, _ := rate(b, s, token, stormPlaces, 2*stormWork, 2*time.Second)
		stormy, offered := rate(b, s, token, stormCallers, 2*stormWork, 2*time.Second)
		b.ReportMetric(stormy/usual, "left")
		b.ReportMetric(offered/usual, "load")
	}
}

// What a hostile request costs the whole process from its first byte on the wire to the
// answer, the client included, on the average of several in the best of a few rounds: 10 ms
// of a processor are wanted, and bounded at twice that as a processor that is shared is
// slower. The race detector makes it ten times as much.
//
//nolint:paralleltest // it measures the process
func TestAHostileRequestCostsLittle(t *testing.T) {
	most := 20 * time.Millisecond
	if hostile.RaceDetector() {
		most *= 10
	}
	s := stacktest.New(t, map[string]string{"REFLECTION": "on"})
	token := s.Token("alice", "d2-gamers", 2)
	type request struct {
		path, token, contentType, encoding string
		body                               []byte
	}
	all := map[string]request{
		"a bomb":                            {stacktest.CreateTask, token, "application/json", "gzip", hostile.Bomb(t, 16<<20)},
		"a bomb without a token":            {stacktest.CreateTask, "", "application/json", "gzip", hostile.Bomb(t, 16<<20)},
		"a bomb for health":                 {stacktest.HealthCheck, "", "application/json", "gzip", hostile.Bomb(t, 16<<20)},
		"a small bomb for health":           {stacktest.HealthCheck, "", "application/json", "gzip", hostile.Gzip(t, make([]byte, 3<<20))},
		"a bomb for reflection":             {stacktest.Reflection, "", "application/grpc", "gzip", stacktest.Packed(hostile.Gzip(t, make([]byte, 32<<20)))},
		"reflection on everything":          {stacktest.Reflection, "", "application/grpc", "", bytes.Repeat(stacktest.Enveloped([]byte("\x22\x18teamtask.v1.TaskService1")), server.ReflectionMax/31)},
		"a token of 8 KiB":                  {stacktest.CreateTask, strings.Repeat("a", 8<<10), "application/json", "", []byte("{}")},
		"a body over the limit":             {stacktest.CreateTask, token, "application/json", "", stacktest.Padded(stacktest.WireLimit + 1)},
		"a body over it for health":         {stacktest.HealthCheck, "", "application/json", "", stacktest.Padded(stacktest.WireLimit)},
		"an envelope that promises 4 GiB":   {stacktest.CreateTask, token, "application/grpc", "", append([]byte("\x00\xff\xff\xff\xff"), stacktest.Padded(200<<10)...)},
		"a thousand empty messages of gRPC": {stacktest.CreateTask, token, "application/grpc", "", bytes.Repeat(stacktest.Enveloped(nil), 1_000)},
		"a media type of 8 KiB":             {stacktest.CreateTask, token, "application/json; x=" + strings.Repeat("y", 8<<10), "", []byte("{}")},
		"a list of a hundred encodings":     {stacktest.CreateTask, token, "application/json", strings.Repeat("gzip,", 100), []byte("{}")},
		"nested objects as large as may be": {stacktest.CreateTask, token, "application/json", "", []byte(`{"x":` + strings.Repeat(`{"x":`, 40_000) + `1` + strings.Repeat(`}`, 40_001))},
	}
	for name, data := range hostile.Costly() {
		contentType := "application/proto"
		if strings.IndexByte("{[\",\n", data[0]) >= 0 {
			contentType = "application/json"
		}
		all[name] = request{stacktest.UpdateTask, token, contentType, "gzip", hostile.Gzip(t, data)}
	}
	for name, r := range all {
		header := map[string]string{"Content-Type": r.contentType}
		if r.encoding != "" {
			header["Content-Encoding"], header["Grpc-Encoding"] = r.encoding, r.encoding
		}
		over := http.RoundTripper(s.HTTP1)
		if strings.HasPrefix(r.contentType, "application/grpc") {
			over = s.HTTP2
		}
		var answer stacktest.Reply
		took, _ := hostile.Cost(t, func() { answer = s.Send(over, http.MethodPost, r.path, r.token, header, bytes.NewReader(r.body)) })
		t.Logf("%-34s %6d bytes: %6.2f ms, %v", name, len(r.body), took.Seconds()*1e3, answer.Told(t).Code)
		if took > most {
			t.Errorf("%s: %v of a processor, want %v at most", name, took, most)
		}
	}
}
