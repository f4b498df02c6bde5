package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
)

// answerWithin is how long an answer may take before the run is given up.
const answerWithin = 15 * time.Second

// client is one connection: one call at a time, and anything but a right answer is an
// error.
type client interface {
	call(n int) error
	setDeadline(t time.Time) error
	close() error
}

// load drives one target with one operation over one protocol.
type load struct {
	target  target
	clients []client
	calls   int // that were answered so far, all of them
	turns   []int
	times   [][]time.Duration // of each client, reused
}

// openLoad opens the connections. The answer is one that the target gave to another
// client.
func openLoad(ctx context.Context, t target, address string, o op, p protocol, token string,
	requests []proto.Message, answer proto.Message, connections int,
) (*load, error) {
	bodies, err := p.encode(requests)
	if err != nil {
		return nil, err
	}
	expected, err := p.expect(answer)
	if err != nil {
		return nil, err
	}
	l := &load{target: t, turns: make([]int, connections), times: make([][]time.Duration, connections)}
	for i := range connections {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect to %s: %w", t, err), l.close())
		}
		var c client
		if p == overGRPC {
			c, err = newGRPCConn(conn, address, o.path(), token, bodies, expected)
		} else {
			c = newHTTP1Conn(conn, http1Requests(address, o.path(), p.contentType(), token, bodies), expected)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("connect to %s: %w", t, err), conn.Close(), l.close())
		}
		l.clients = append(l.clients, c)
		l.turns[i] = i * len(bodies) / connections // so that they do not all ask the same
	}
	return l, nil
}

func (l *load) close() error {
	var errs []error
	for _, c := range l.clients {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// drive calls for so long, with every connection busy, and lets the last calls end.
// It returns how long that took. The first wrong answer ends it.
func (l *load) drive(ctx context.Context, length time.Duration) (time.Duration, error) {
	begin := time.Now()
	end := begin.Add(length)
	for _, c := range l.clients {
		if err := c.setDeadline(end.Add(answerWithin)); err != nil {
			return 0, fmt.Errorf("%s: %w", l.target, err)
		}
	}
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	var once sync.Once
	var failed error
	var all sync.WaitGroup
	for i, c := range l.clients {
		all.Go(func() {
			times := l.times[i][:0]
			for now := time.Now(); now.Before(end) && !stop.Load(); {
				if err := c.call(l.turns[i]); err != nil {
					once.Do(func() { failed = err })
					stop.Store(true)
					break
				}
				l.turns[i]++
				after := time.Now()
				times, now = append(times, after.Sub(now)), after
			}
			l.times[i] = times
		})
	}
	all.Wait()
	took := time.Since(begin)
	for _, times := range l.times {
		l.calls += len(times)
	}
	if failed != nil {
		return 0, fmt.Errorf("%s: %w", l.target, failed)
	}
	return took, ctx.Err()
}

// latencies are those of the last drive, sorted.
func (l *load) latencies() []time.Duration {
	sorted := slices.Concat(l.times...)
	slices.Sort(sorted)
	return sorted
}
