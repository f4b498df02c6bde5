package inbox_test

import (
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
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+headers+"Content-Length: 500000\r\n\r\n"+body); err != nil {
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
		conn := stall(t, x.url, c.headers, "x")
		answer, err := io.ReadAll(conn) // and the connection ends
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("%s: got %.200s, %v", name, answer, err)
		}
		if n := x.seen(inbox.Receipt{Provider: "clerk", Cause: c.cause}); n == 0 {
			t.Errorf("%s: not counted as %s", name, c.cause)
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
