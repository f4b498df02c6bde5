package tenancy_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
)

const (
	protocolMax = 1 << 20 // bytes of one message that the proxy takes
	proxyHeader = 5       // bytes: the type of a message and its length
)

// proxy stands between a pool and PostgreSQL and counts the points at which the
// client has to wait for an answer: Sync, simple Query and Flush.
type proxy struct {
	url     string
	server  string
	waits   atomic.Int64
	once    atomic.Bool  // only the first connection gets through
	frozen  atomic.Bool  // what the client sends gets lost
	cut     atomic.Int32 // what becomes of the next question
	accepts atomic.Int64
}

// What becomes of the connection over which the client waits for an answer next.
const (
	cutBefore   = 1 + iota // it ends before the server has got the question
	cutAfter               // it ends before the client has got the answer
	cutByPooler            // likewise, and the proxy says so, as a pooler does
)

// serverCrashed is what PgBouncer says where a server has gone: the severity, 08P01 and words.
var serverCrashed = func() []byte {
	const fields = "SFATAL\x00VFATAL\x00C08P01\x00Mserver conn crashed?\x00\x00"
	return append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(len(fields)+4)), fields...)
}()

// throughProxy answers a proxy in front of the server of to.
func throughProxy(t *testing.T, to string) *proxy {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{server: u.Host}
	u.Host = l.Addr().String()
	query := u.Query()
	query.Set("sslmode", "disable")
	u.RawQuery = query.Encode()
	p.url = u.String()
	go p.serve(l)
	return p
}

// during is how many round trips do makes.
func (p *proxy) during(do func()) int {
	before := p.waits.Load()
	do()
	return int(p.waits.Load() - before)
}

func (p *proxy) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		if p.accepts.Add(1) > 1 && p.once.Load() {
			client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		var lost atomic.Bool // what the server says from here on
		var said atomic.Bool // the proxy says that the server has gone
		go func() {
			defer client.Close()
			defer server.Close()
			_, _ = io.Copy(unless{client, &lost}, server)
			if said.Load() {
				_, _ = client.Write(serverCrashed)
			}
		}()
		go func() {
			defer client.Close()
			defer server.Close()
			_ = p.forward(server, client, &lost, &said)
		}()
	}
}

// unless writes until lost says that it is lost.
type unless struct {
	io.Writer
	lost *atomic.Bool
}

func (u unless) Write(b []byte) (int, error) {
	if u.lost.Load() {
		return len(b), nil
	}
	return u.Writer.Write(b)
}

// forward passes the client's messages on, each as a whole.
func (p *proxy) forward(server io.ReadWriter, client io.Reader, lost, said *atomic.Bool) error {
	var header [proxyHeader]byte
	startup := header[1:] // the first message has no type
	for at := startup; ; at = header[:] {
		if _, err := io.ReadFull(client, at); err != nil {
			return err
		}
		length := binary.BigEndian.Uint32(at[len(at)-4:])
		if length < 4 || length > protocolMax {
			return errors.New("not a message of the protocol")
		}
		body := make([]byte, length-4)
		if _, err := io.ReadFull(client, body); err != nil {
			return err
		}
		if p.cut.CompareAndSwap(cutBefore, 0) {
			return nil
		}
		if len(at) == proxyHeader && (at[0] == 'S' || at[0] == 'Q' || at[0] == 'H') {
			p.waits.Add(1)
			cut := p.cut.Load()
			if (cut == cutAfter || cut == cutByPooler) && p.cut.CompareAndSwap(cut, 0) {
				lost.Store(true)
				said.Store(cut == cutByPooler)
				message := append(slices.Clip(at), body...)
				goodbye := []byte{'X', 0, 0, 0, 4} // the server ends after it has done what it was asked to
				if _, err := server.Write(append(message, goodbye...)); err != nil {
					return err
				}
				continue
			}
		}
		if p.frozen.Load() {
			continue
		}
		if _, err := server.Write(append(slices.Clip(at), body...)); err != nil {
			return err
		}
	}
}
