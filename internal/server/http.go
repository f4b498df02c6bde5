package server

import (
	"log/slog"
	"net/http"
	"time"
)

const (
	headersWithin   = 5 * time.Second
	readWithin      = 15 * time.Second
	writeWithin     = 30 * time.Second
	stallWithin     = 10 * time.Second
	idleFor         = 60 * time.Second
	headersMax      = 32 << 10 // bytes
	streamsMax      = 100      // at once on one HTTP/2 connection
	streamBufferMax = 64 << 10 // bytes of a request over HTTP/2 that have not been read yet
)

// Timeouts end every wait for a client. Zero would wait for ever.
type Timeouts struct {
	Headers time.Duration // for the headers of a request
	Read    time.Duration // for all of a request
	Write   time.Duration // from the headers of a request to the end of its response
	Stall   time.Duration // until a reader takes the next piece of a response
	Idle    time.Duration // for the next request
}

// DefaultTimeouts returns the timeouts of the public port.
func DefaultTimeouts() Timeouts {
	return Timeouts{Headers: headersWithin, Read: readWithin, Write: writeWithin, Stall: stallWithin, Idle: idleFor}
}

// APIServer speaks HTTP/1.1 and, without TLS, HTTP/2. Every wait has an end.
func APIServer(handler http.Handler, log *slog.Logger, within Timeouts) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:   withProgress(within.Stall, within.Write, handler),
		Protocols: protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsMax, WriteByteTimeout: within.Stall,
			// What arrives before it is read is in memory, uncounted.
			MaxReceiveBufferPerConnection: bodyMax, MaxReceiveBufferPerStream: streamBufferMax,
		},
		ReadHeaderTimeout:            within.Headers,
		ReadTimeout:                  within.Read,
		WriteTimeout:                 within.Write,
		IdleTimeout:                  within.Idle,
		MaxHeaderBytes:               headersMax,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
