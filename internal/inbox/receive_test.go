package inbox_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
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
	x := newBox(t, func(x *box, o *inbox.Options) {
		withEffects(nil)(x, o)
		o.Now = func() time.Time { return now }
	})
	good := func() signed { return sign(secretA, newID(), now, eventBody(kind)) }
	for name, c := range map[string]struct {
		cause  inbox.Cause
		change func(s *signed, r *http.Request)
	}{
		"no headers":            {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header = http.Header{} }},
		"no id":                 {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Del("Svix-Id") }},
		"no timestamp":          {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Del("Svix-Timestamp") }},
		"no signature":          {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Del("Svix-Signature") }},
		"empty signature":       {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Signature", "") }},
		"two ids":               {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Add("Svix-Id", s.id) }},
		"two signature headers": {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Add("Svix-Signature", s.signature) }},
		"no version":            {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Set("Svix-Signature", s.signature[3:]) }},
		"version 2":             {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Set("Svix-Signature", "v2"+s.signature[2:]) }},
		"version 1a":            {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Set("Svix-Signature", "v1a"+s.signature[2:]) }},
		"not base64":            {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Signature", "v1,*") }},
		"empty MAC":             {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Signature", "v1,") }},
		"half a MAC": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			r.Header.Set("Svix-Signature", s.signature[:3+20])
		}},
		"a good one behind sixteen": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			r.Header.Set("Svix-Signature", strings.Repeat(sign(secretC, s.id, now, string(s.body)).signature+" ", 16)+s.signature)
		}},
		"a signature in hex": {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Signature", "v1,"+strings.Repeat("ab", 32)) }},
		"another secret": {inbox.CauseSignature, func(s *signed, r *http.Request) {
			r.Header.Set("Svix-Signature", signature(secretC, s.id, s.timestamp, string(s.body)))
		}},
		"another id":          {inbox.CauseSignature, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Id", newID()) }},
		"another timestamp":   {inbox.CauseSignature, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", fmt.Sprint(now.Unix()+1)) }},
		"one byte more":       {inbox.CauseSignature, func(s *signed, r *http.Request) { setBody(r, append(s.body, ' ')) }},
		"one byte less":       {inbox.CauseSignature, func(s *signed, r *http.Request) { setBody(r, s.body[:len(s.body)-1]) }},
		"no body":             {inbox.CauseSignature, func(_ *signed, r *http.Request) { setBody(r, nil) }},
		"timestamp with sign": {inbox.CauseHeaders, func(s *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", "+"+s.timestamp) }},
		"timestamp of words":  {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", "now") }},
		"timestamp too long":  {inbox.CauseHeaders, func(_ *signed, r *http.Request) { r.Header.Set("Svix-Timestamp", strings.Repeat("9", 30)) }},
		"301 s old":           {inbox.CauseTime, resigned(now.Add(-301 * time.Second))},
		"301 s ahead":         {inbox.CauseTime, resigned(now.Add(301 * time.Second))},
		"a year ahead":        {inbox.CauseTime, resigned(now.AddDate(1, 0, 0))},
		"milliseconds":        {inbox.CauseHeaders, resigned(time.Unix(now.UnixMilli(), 0))},
		"a dot in the id": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			*s = sign(secretA, "msg.1", now, string(s.body))
			r.Header = s.request(t.Context(), x.url).Header
		}},
		"a long id": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			*s = sign(secretA, strings.Repeat("m", 201), now, string(s.body))
			r.Header = s.request(t.Context(), x.url).Header
		}},
		"a blank in the id": {inbox.CauseHeaders, func(s *signed, r *http.Request) {
			*s = sign(secretA, "msg 1", now, string(s.body))
			r.Header = s.request(t.Context(), x.url).Header
		}},
		"Stripe's header": {inbox.CauseHeaders, func(_ *signed, r *http.Request) {
			r.Header = http.Header{"Stripe-Signature": {"t=1,v1=" + strings.Repeat("ab", 32)}}
		}},
		"gzip": {inbox.CauseEncoding, func(s *signed, r *http.Request) {
			var packed bytes.Buffer
			writer := gzip.NewWriter(&packed)
			_, _ = writer.Write(s.body)
			_ = writer.Close()
			setBody(r, packed.Bytes())
			r.Header.Set("Content-Encoding", "gzip")
		}},
		"in gRPC": {inbox.CauseSignature, func(_ *signed, r *http.Request) {
			r.Header.Set("Svix-Id", newID())
			r.Header.Set("Content-Type", "application/grpc")
		}},
	} {
		s := good()
		r := s.request(t.Context(), x.url)
		c.change(&s, r)
		before := x.seen(inbox.Receipt{Provider: "clerk", Cause: c.cause})
		status, answer := x.do(r)
		if status != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400: %s", name, status, answer)
		}
		if want := `"message":"the event is not accepted"`; !strings.Contains(answer, want) || strings.Contains(answer, string(c.cause)) {
			t.Errorf("%s: answered %s, want the same for every cause", name, answer)
		}
		if x.seen(inbox.Receipt{Provider: "clerk", Cause: c.cause}) != before+1 {
			t.Errorf("%s: not counted as %s: %v", name, c.cause, x.receipts)
		}
	}
	if n := x.events(); n != 0 {
		t.Errorf("%d rows", n)
	}
	for name, s := range map[string]signed{ // E08, and the positive control
		"now": good(), "300 s old": sign(secretA, newID(), now.Add(-300*time.Second), eventBody(kind)),
		"300 s ahead": sign(secretA, newID(), now.Add(300*time.Second), eventBody(kind)), "the other secret": sign(secretB, newID(), now, eventBody(kind)),
	} {
		if status, answer := x.send(s); status != http.StatusNoContent {
			t.Errorf("%s: status %d %s", name, status, answer)
		}
	}
	both := good()
	both.signature = "v1a,xyz " + signature(secretC, both.id, both.timestamp, string(both.body)) + " " + both.signature
	if status, answer := x.send(both); status != http.StatusNoContent {
		t.Errorf("one good signature of several: status %d %s", status, answer)
	}
	if n := x.events(); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
}

func setBody(r *http.Request, body []byte) {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.GetBody = nil
}

func resigned(at time.Time) func(*signed, *http.Request) {
	return func(s *signed, r *http.Request) {
		*s = sign(secretA, s.id, at, string(s.body))
		r.Header.Set("Svix-Timestamp", s.timestamp)
		r.Header.Set("Svix-Signature", s.signature)
	}
}

// E03.
func TestAnEmptyOrMalformedSecretIsRefused(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{
		nil, {}, {""}, {"whsec_"}, {secretA, ""}, {"whsec_c2hvcnQ="}, {"whsec_***"}, {strings.TrimPrefix(secretA, "whsec_")}, {secretA, "whsec_ "},
	} {
		if _, err := inbox.NewClerk(secrets); err == nil {
			t.Errorf("%q is let through", secrets)
		} else if strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%v quotes the secret", err)
		}
	}
}

// E10; the limit itself is let through.
func TestALargeBodyIsRefused(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	padded := func(size int) signed {
		body := eventBody(kind)
		return sign(secretA, newID(), time.Now(), body+strings.Repeat(" ", size-len(body)))
	}
	if status, answer := x.send(padded(inbox.BodyMax)); status != http.StatusNoContent {
		t.Errorf("at the limit: %d %s", status, answer)
	}
	for name, length := range map[string]int64{"announced": inbox.BodyMax + 1, "in chunks": -1} {
		s := padded(inbox.BodyMax + 1)
		r := s.request(t.Context(), x.url)
		r.ContentLength = length
		if status, answer := x.do(r); status != http.StatusRequestEntityTooLarge || !strings.Contains(answer, "MESSAGE_TOO_LARGE") {
			t.Errorf("%s: %d %s", name, status, answer)
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
		_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
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
	if n := x.events(); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// A body for which there is no memory now is asked for again, not refused for good.
func TestABodyThatThereIsNoRoomForIsAskedForAgain(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	provider, err := inbox.NewClerk([]string{secretA})
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
	s := sign(secretA, newID(), time.Now(), eventBody(kind))
	x.exec(`REVOKE CONNECT ON DATABASE ` + x.db.Name + ` FROM PUBLIC`)
	x.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'teamtask-inbox'`)
	for range 3 {
		if status, answer := x.send(s); status != http.StatusServiceUnavailable || !strings.Contains(answer, "DATABASE_UNAVAILABLE") {
			t.Errorf("without: %d %s", status, answer)
		}
	}
	x.exec(`GRANT CONNECT ON DATABASE ` + x.db.Name + ` TO PUBLIC`)
	if status, answer := x.send(s); status != http.StatusNoContent {
		t.Errorf("afterwards: %d %s", status, answer)
	}
	x.start()
	x.until(1, `SELECT count(*) FROM effects`)
}

// E19, E20: what is signed is stored, whatever it says.
func TestStrangeEventsAreStoredAndSetAsideOrIgnored(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	for body, want := range map[string]inbox.Receipt{
		"":                    {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		"not json":            {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		"null":                {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		"[]":                  {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		`{"type":7}`:          {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		`{"data":null}`:       {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		`{"type":"a\u0000b"}`: {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		"\x00\xff":            {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		`{"type":"` + strings.Repeat("k", 1<<18) + `"}`:                                                {Provider: "clerk", Kind: "other", Outcome: inbox.Unreadable},
		`{"type":"future.event","data":{"new":[1,2]},"instance_id":{"a":1}}`:                           {Provider: "clerk", Kind: "other", Outcome: inbox.Ignored},
		`{"type":"user.created","data":null,"instance_id":"a\u0000"}`:                                  {Provider: "clerk", Kind: "user.created", Outcome: inbox.Ignored},
		`{"type":"` + kind + `","data":"` + strings.Repeat("x", 400_000) + `"}`:                        {Provider: "clerk", Kind: kind, Outcome: inbox.Stored},
		`{"type":"` + kind + `","data":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`: {Provider: "clerk", Kind: kind, Outcome: inbox.Stored},
	} {
		before := x.seen(want)
		s := sign(secretA, newID(), time.Now(), body)
		for range 2 { // resent, it changes nothing
			if status, answer := x.send(s); status != http.StatusNoContent {
				t.Errorf("%.60q: %d %s", body, status, answer)
			}
		}
		if x.seen(want) != before+1 {
			t.Errorf("%.60q: not counted as %v: %v", body, want, x.receipts)
		}
	}
	x.start()
	x.until(2, `SELECT count(*) FROM effects`)
	if b, err := x.inbox.Backlog(t.Context()); err != nil || b.Failed != 9 || b.Pending != 0 {
		t.Errorf("backlog %+v %v, want 9 set aside", b, err)
	}
	if n := x.events(); n != 13 {
		t.Errorf("%d rows, want 13", n)
	}
}

// E11.
func TestAnEventThatComesAHundredTimesHasOneEffect(t *testing.T) {
	t.Parallel()
	x := newBox(t, withEffects(nil))
	x.start()
	one, two := sign(secretA, newID(), time.Now(), eventBody(kind)), sign(secretA, newID(), time.Now(), eventBody(kind))
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
	stored, again := x.seen(inbox.Receipt{Provider: "clerk", Kind: kind, Outcome: inbox.Stored}), x.seen(inbox.Receipt{Provider: "clerk", Kind: kind, Outcome: inbox.Duplicate})
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
