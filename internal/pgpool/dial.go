package pgpool

import (
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// dialWithin is for the network alone. A connection counts in its pool until a
	// request to cancel what it was doing has been sent, over a connection of its own.
	dialWithin = 2 * time.Second
	// silentFor is how long a network may be silent, bytes sent and not acknowledged,
	// before its connections are given up.
	silentFor      = 5 * time.Second
	probeEvery     = time.Second
	probesFollowed = 2
)

// dialer returns how connections are made; within is from the URL, 0 where it names none.
func dialer(within time.Duration) pgconn.DialFunc {
	if within == 0 {
		within = dialWithin
	}
	d := &net.Dialer{
		Timeout:         within,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentFor, Interval: probeEvery, Count: probesFollowed},
		Control:         giveUpSilent,
	}
	return d.DialContext
}
