package inbox_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/inbox"
)

// stall opens a request whose body does not end, and returns its connection.
func stall(t *testing.T, url, headers, body string) net.Conn {
	t.Helper()
	return stallOf(t, url, headers, body, 500_000)
}

func stallOf(t *testing.T, url, headers, body string, length int) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", headers, length, body)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// plausible are headers of a request that may be signed: only the whole body could tell.
func plausible(at time.Time) string {
	s := sign(secretC, newID(), at, "another body")
	return fmt.Sprintf("Svix-Id: %s\r\nSvix-Timestamp: %s\r\nSvix-Signature: %s\r\n", s.id, s.timestamp, s.signature)
}

// A request that is not signed is answered before its body is there.
func TestARequestThatCannotBeSignedIsRefusedBeforeItsBody(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	for name, c := range map[string]struct {
		headers string
		cause   inbox.Cause
	}{
		"no headers":      {"", inbox.CauseHeaders},
		"an old one":      {plausible(time.Now().Add(-301 * time.Second)), inbox.CauseTime},
		"one ahead":       {plausible(time.Now().Add(400 * time.Second)), inbox.CauseTime},
		"half a MAC":      {strings.ReplaceAll(plausible(time.Now()), "=\r\n", "\r\n"), inbox.CauseHeaders},
		"an encoding too": {plausible(time.Now()) + "Content-Encoding: gzip\r\n", inbox.CauseEncoding},
	} {
		for _, length := range []int{1_000, 500_000} {
			before := x.seen(inbox.Receipt{Provider: "clerk", Cause: c.cause})
			conn := stallOf(t, x.url, c.headers, "x", length)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%s, %d bytes: %v", name, length, err)
			}
			if answer.StatusCode != http.StatusBadRequest || !answer.Close {
				t.Errorf("%s, %d bytes: status %d, closed: %t; want 400 and that the connection ends", name, length, answer.StatusCode, answer.Close)
			}
			_ = answer.Body.Close()
			_ = conn.Close()
			if n := x.seen(inbox.Receipt{Provider: "clerk", Cause: c.cause}); n != before+1 {
				t.Errorf("%s, %d bytes: not counted as %s", name, length, c.cause)
			}
		}
	}
	if n, bytes := x.inbox.Bodies(); n != 0 || bytes != 0 {
		t.Errorf("%d bodies of %d bytes are being read", n, bytes)
	}
}

// Many more than there is room for stall with headers that may be good, over memory for each
// of them: every signed event is taken, at once and while they come anew.
func TestStalledBodiesTakeNoRoomFromSignedOnes(t *testing.T) {
	t.Parallel()
	const connections, signedOnes = 600, 40
	x := newBox(t, nil)
	half := strings.Repeat("x", 250_000)
	for i := range connections {
		body := "x"
		if i%4 == 0 {
			body = half
		}
		stall(t, x.url, plausible(time.Now()), body)
	}
	stop := make(chan bool)
	var attacking sync.WaitGroup
	for range 4 {
		attacking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					conn, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
					if err != nil {
						continue
					}
					_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+plausible(time.Now())+"Content-Length: 500000\r\n\r\n"+half)
					defer conn.Close()
				}
			}
		})
	}
	accepted := 0
	for range signedOnes {
		if status, answer := x.send(sign(secretA, newID(), time.Now(), eventBody(kind))); status == http.StatusNoContent {
			accepted++
		} else {
			t.Logf("refused: %d %s", status, answer)
		}
	}
	close(stop)
	attacking.Wait()
	if accepted != signedOnes || x.events() != signedOnes {
		t.Errorf("%d of %d signed events are accepted, %d stored", accepted, signedOnes, x.events())
	}
	n, bytes := x.inbox.Bodies()
	if n > inbox.BodiesMax || bytes > inbox.BodyBytesMax {
		t.Errorf("%d bodies take %d bytes", n, bytes)
	}
	if n := x.seen(inbox.Receipt{Provider: "clerk", Cause: inbox.CauseBusy}); n == 0 {
		t.Error("none had to make room: this test sees nothing")
	}
}

// Small bodies that stall are bounded in number, where they take little memory.
func TestNoMoreBodiesAreReadThanMayBe(t *testing.T) {
	t.Parallel()
	const more = 40
	x := newBox(t, nil)
	for range inbox.BodiesMax + more {
		stall(t, x.url, plausible(time.Now()), "x")
	}
	x.comes("the oldest make room", func() bool {
		return x.seen(inbox.Receipt{Provider: "clerk", Cause: inbox.CauseBusy})+x.seen(inbox.Receipt{Provider: "clerk", Cause: inbox.CauseBody}) >= more
	})
	if n := x.seen(inbox.Receipt{Provider: "clerk", Cause: inbox.CauseBusy}); n == 0 {
		t.Error("none had to make room")
	}
	if n, _ := x.inbox.Bodies(); n > inbox.BodiesMax {
		t.Errorf("%d bodies are read, want %d at most", n, inbox.BodiesMax)
	}
}

// The memory of bodies that stall is bounded, where they are few.
func TestBodiesThatStallTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	half := strings.Repeat("x", 250_000)
	for range 200 { // 50 MB
		stall(t, x.url, plausible(time.Now()), half)
		if _, bytes := x.inbox.Bodies(); bytes > inbox.BodyBytesMax {
			t.Errorf("%d bytes are taken, want %d at most", bytes, inbox.BodyBytesMax)
		}
	}
	x.comes("one makes room", func() bool { return x.seen(inbox.Receipt{Provider: "clerk", Cause: inbox.CauseBusy}) > 0 })
}

// What stalls alone ends too.
func TestAStalledBodyEnds(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	conn := stall(t, x.url, plausible(time.Now()), "{")
	if _, err := io.ReadAll(conn); err != nil && os.IsTimeout(err) {
		t.Error("it is still open")
	}
	if n := x.seen(inbox.Receipt{Provider: "clerk", Cause: inbox.CauseBody}); n != 1 {
		t.Errorf("counted %d times", n)
	}
}
