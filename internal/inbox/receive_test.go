package inbox_test

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
)

// E01, E02, E05, E07, E09, and what a verifier that is too kind would let in.
func TestWhatIsNotSignedLeavesNoRow(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 500)
	x := newBox(t, func(x *box, o *options) {
		withEffects(nil)(x, o)
		o.Now = func() time.Time { return now }
	})
	for _, from := range senders {
		forgeries := from.forgeries(now)
		maps.Copy(forgeries, anybodysForgeries(from, now))
		for name, c := range forgeries {
			s := from.signed(secretA, now)
			r := s.request(t.Context(), x.url)
			c.change(&s, r)
			before := x.seen(inbox.Receipt{Provider: from.name, Cause: c.cause})
			status, answer := x.do(r)
			if status != http.StatusBadRequest {
				t.Errorf("%s, %s: status %d, want 400: %s", from.name, name, status, answer)
			}
			if want := `"message":"the event is not accepted"`; !strings.Contains(answer, want) || strings.Contains(answer, string(c.cause)) {
				t.Errorf("%s, %s: answered %s, want the same for every cause", from.name, name, answer)
			}
			if x.seen(inbox.Receipt{Provider: from.name, Cause: c.cause}) != before+1 {
				t.Errorf("%s, %s: not counted as %s: %v", from.name, name, c.cause, x.receipts)
			}
		}
	}
	if n := x.events(); n != 0 {
		t.Errorf("%d rows", n)
	}
	sent := 0
	for _, from := range senders { // E08, and the positive control
		all := from.good(from.signed(secretA, now))
		maps.Copy(all, map[string]signed{
			"now": from.signed(secretA, now), "300 s old": from.signed(secretA, now.Add(-300*time.Second)),
			"300 s ahead": from.signed(secretA, now.Add(300*time.Second)), "the other secret": from.signed(secretB, now),
		})
		for name, s := range all {
			if status, answer := x.send(s); status != http.StatusNoContent {
				t.Errorf("%s, %s: status %d %s", from.name, name, status, answer)
			}
		}
		sent += len(all)
		// Other forms of one event are one event.
		sent -= len(from.good(from.signed(secretA, now))) - 1
	}
	if n := x.events(); n != sent {
		t.Errorf("%d rows, want %d", n, sent)
	}
}

// signed is an event of its own that is wanted.
func (from sender) signed(secret string, at time.Time) signed {
	id := newID()
	return from.sign(secret, id, at, from.body(id, from.kind, `{"id":"orgmem_1"}`))
}

func setBody(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.GetBody = nil
}

// E03.
func TestAnEmptyOrMalformedSecretIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		open    func([]string) (inbox.Provider, error)
		secrets []string // each of which is refused
	}{
		{newClerk, []string{"", "whsec_", "whsec_c2hvcnQ=", "whsec_***", strings.TrimPrefix(secretA, "whsec_"), "whsec_ "}},
		{newStripe, []string{
			"", "whsec_", "whsec_c2hvcnQ0123456", strings.TrimPrefix(secretA, "whsec_"), secretA + " ", secretA + "\n", "WHSEC_0123456789abcdef",
			"whsec_0123456789abcde\x00", "whsec_0123456789abcdé", "whsec_ 0123456789abcdef", "sk_test_0123456789abcdef",
		}},
	} {
		if _, err := c.open(nil); err == nil {
			t.Error("none is let through")
		}
		if _, err := c.open([]string{secretA, secretB}); err != nil {
			t.Error(err)
		}
		for _, secret := range c.secrets {
			for _, secrets := range [][]string{{secret}, {secretA, secret}} {
				if _, err := c.open(secrets); err == nil {
					t.Errorf("%q is let through", secrets)
				} else if strings.Contains(err.Error(), "c2hvcnQ") || strings.Contains(err.Error(), "0123") {
					t.Errorf("%v quotes the secret", err)
				}
			}
		}
	}
}

// E10; the limit itself is let through.
func TestALargeBodyIsRefused(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	for _, from := range senders {
		padded := func(size int) signed {
			id := newID()
			body := from.body(id, from.kind, "null")
			return from.sign(secretA, id, time.Now(), body+strings.Repeat(" ", size-len(body)))
		}
		if status, answer := x.send(padded(inbox.BodyMax)); status != http.StatusNoContent {
			t.Errorf("%s, at the limit: %d %s", from.name, status, answer)
		}
		for name, length := range map[string]int64{"announced": inbox.BodyMax + 1, "in chunks": -1} {
			s := padded(inbox.BodyMax + 1)
			r := s.request(t.Context(), x.url)
			r.ContentLength = length
			if status, answer := x.do(r); status != http.StatusRequestEntityTooLarge || !strings.Contains(answer, "MESSAGE_TOO_LARGE") {
				t.Errorf("%s, %s: %d %s", from.name, name, status, answer)
			}
		}
	}
	// Chunks without end are cut off.
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() {
		const endless = 32 << 20 / 0x1000 // to a server that ought to have stopped at half a MiB
		s := clerkSender.signed(secretA, time.Now())
		_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nSvix-Id: "+s.id+"\r\nSvix-Timestamp: "+s.timestamp+"\r\nSvix-Signature: "+s.signature+
			"\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := "1000\r\n" + strings.Repeat("x", 0x1000) + "\r\n"
		for i := 0; i < endless && err == nil; i++ {
			_, err = io.WriteString(conn, chunk)
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("endless: status %d", response.StatusCode)
	}
	if n := x.events(); n != len(senders) {
		t.Errorf("%d rows, want %d", n, len(senders))
	}
}

// A body for which there is no memory now is asked for again, not refused for good.
func TestABodyThatThereIsNoRoomForIsAskedForAgain(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	provider, err := newClerk([]string{secretA})
	if err != nil {
		t.Fatal(err)
	}
	exit := fault.NewExit(slog.New(slog.DiscardHandler), func(fault.Outcome) {})
	r := sign(secretA, newID(), time.Now(), eventBody(kind)).request(t.Context(), x.url)
	r.Body = io.NopCloser(noRoom{})
	answer := httptest.NewRecorder()
	exit.Handler(x.inbox.Handler(provider, exit)).ServeHTTP(answer, r)
	if answer.Code != http.StatusTooManyRequests || !strings.Contains(answer.Body.String(), "OVERLOADED") {
		t.Errorf("got %d %s, want OVERLOADED", answer.Code, answer.Body)
	}
	if got := x.seen(inbox.Receipt{Provider: "clerk", Cause: inbox.CauseBusy}); got != 1 || x.events() != 0 {
		t.Errorf("counted %d times with %d rows, want once and none", got, x.events())
	}
}

type noRoom struct{}

func (noRoom) Read([]byte) (int, error) { return 0, fault.Overloaded.OnRead() }

// E18.
func TestWithoutItsDatabaseTheProviderIsAskedToComeAgain(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	clerks, stripes := clerkSender.signed(secretA, time.Now()), stripeSender.signed(secretA, time.Now())
	x.exec(`REVOKE CONNECT ON DATABASE ` + x.db.Name + ` FROM PUBLIC`)
	x.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'teamtask-inbox'`)
	for range 3 {
		for _, s := range []signed{clerks, stripes} {
			if status, answer := x.send(s); status != http.StatusServiceUnavailable || !strings.Contains(answer, "DATABASE_UNAVAILABLE") {
				t.Errorf("without: %d %s", status, answer)
			}
		}
	}
	x.exec(`GRANT CONNECT ON DATABASE ` + x.db.Name + ` TO PUBLIC`)
	for _, s := range []signed{clerks, stripes} {
		if status, answer := x.send(s); status != http.StatusNoContent {
			t.Errorf("afterwards: %d %s", status, answer)
		}
	}
	x.start()
	x.until(2, `SELECT count(*) FROM effects`)
}

// E19, E20: what is signed is stored, whatever it says.
func TestStrangeEventsAreStoredAndSetAsideOrIgnored(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	unreadable, wanted, sent := 0, 0, 0
	for _, from := range senders {
		of := func(kind string, outcome inbox.Outcome) inbox.Receipt {
			return inbox.Receipt{Provider: from.name, Kind: kind, Outcome: outcome}
		}
		bodies := map[string]inbox.Receipt{
			"":                              of("other", inbox.Unreadable),
			"not json":                      of("other", inbox.Unreadable),
			"null":                          of("other", inbox.Unreadable),
			"[]":                            of("other", inbox.Unreadable),
			`{"data":null}`:                 of("other", inbox.Unreadable),
			"\x00\xff":                      of("other", inbox.Unreadable),
			from.body("a", `a\u0000b`, "1"): of("other", inbox.Unreadable),
			from.body("b", strings.Repeat("k", 1<<18), "1"):                                of("other", inbox.Unreadable),
			from.body("c", from.kind, `"`+strings.Repeat("x", 400_000)+`"`):                of(from.kind, inbox.Stored),
			from.body("d", from.kind, strings.Repeat("[", 5000)+strings.Repeat("]", 5000)): of(from.kind, inbox.Stored),
			from.body("e", "future.kind", "{}"):                                            of("other", inbox.Ignored),
		}
		maps.Copy(bodies, from.strange)
		for body, want := range bodies {
			before := x.seen(want)
			s := from.sign(secretA, newID(), time.Now(), body)
			for range 2 { // resent, it changes nothing
				if status, answer := x.send(s); status != http.StatusNoContent {
					t.Errorf("%s, %.60q: %d %s", from.name, body, status, answer)
				}
			}
			if x.seen(want) != before+1 {
				t.Errorf("%s, %.60q: not counted as %v: %v", from.name, body, want, x.receipts)
			}
			if want.Outcome == inbox.Unreadable {
				unreadable++
			}
			if want.Outcome == inbox.Stored {
				wanted++
			}
			sent++
		}
	}
	x.start()
	x.until(wanted, `SELECT count(*) FROM effects`)
	if b, err := x.inbox.Backlog(t.Context()); err != nil || int(b.Failed) != unreadable || b.Pending != 0 {
		t.Errorf("backlog %+v %v, want %d set aside", b, err, unreadable)
	}
	if n := x.events(); n != sent {
		t.Errorf("%d rows, want %d", n, sent)
	}
}

// E11.
func TestAnEventThatComesAHundredTimesHasOneEffect(t *testing.T) {
	t.Parallel()
	for _, from := range senders {
		t.Run(from.name, func(t *testing.T) {
			t.Parallel()
			hundredTimes(t, from)
		})
	}
}

func hundredTimes(t *testing.T, from sender) {
	t.Helper()
	x := newBox(t, withEffects(nil))
	x.start()
	one, two := from.signed(secretA, time.Now()), from.signed(secretA, time.Now())
	for range 100 {
		if status, _ := x.send(one); status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
	}
	answers := make(chan int)
	for range 32 {
		go func() {
			status := 0
			for range 4 {
				status = 0
				response, err := http.DefaultClient.Do(two.request(t.Context(), x.url))
				if err == nil {
					status = response.StatusCode
					_ = response.Body.Close()
				}
				if status != http.StatusNoContent {
					break
				}
			}
			answers <- status
		}()
	}
	for range 32 {
		if status := <-answers; status != http.StatusNoContent {
			t.Errorf("at once: status %d", status)
		}
	}
	x.until(0, `SELECT count(*) FROM inbox_deliveries WHERE state <> 'done'`)
	x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state <> 'completed'`)
	if x.events() != 2 || x.effects() != 2 {
		t.Errorf("%d rows, %d effects, want 2 and 2", x.events(), x.effects())
	}
	stored, again := x.seen(inbox.Receipt{Provider: from.name, Kind: from.kind, Outcome: inbox.Stored}), x.seen(inbox.Receipt{Provider: from.name, Kind: from.kind, Outcome: inbox.Duplicate})
	if stored != 2 || again != 99+127 {
		t.Errorf("%d stored, %d duplicates", stored, again)
	}
}

// E24.
func TestReceiptDoesNotWaitForWorkers(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	var took []time.Duration
	for range 50 {
		started := time.Now()
		if status, _ := x.send(sign(secretA, newID(), time.Now(), eventBody(kind))); status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > time.Second { // one may be slow on a busy machine
		t.Errorf("answered after %v", median)
	}
	if b, err := x.inbox.Backlog(t.Context()); err != nil || b.Pending != 50 || b.Oldest <= 0 {
		t.Errorf("backlog %+v %v, want 50 waiting", b, err)
	}
}

// E04's other half: a provider's own secrets are its own.
func TestACauseOfAnotherVerifierReachesTheFigures(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	if got := (inbox.CauseTime).Error(); got != "time" {
		t.Errorf("got %q", got)
	}
	if status, _ := x.send(sign("whsec_"+"c3RyaXBlIHNlY3JldCBoZXJlIQ==", newID(), time.Now(), eventBody(kind))); status != http.StatusBadRequest {
		t.Errorf("status %d", status)
	}
}
