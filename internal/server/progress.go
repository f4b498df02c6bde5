package server

import (
	"net/http"
	"time"
)

// pieceMax is how much of a response is written at once, in bytes. Smaller ones are
// written as they are, within the time there is for the whole response.
const pieceMax = 32 << 10

// withProgress ends responses whose readers take nothing: each piece of a large one must
// be taken within stall, and all of it within whole. What is unread is in memory.
func withProgress(stall, whole time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&progress{ResponseWriter: w, stall: stall, end: time.Now().Add(whole)}, r)
	})
}

// progress is a response with a write deadline that moves with its reader.
type progress struct {
	http.ResponseWriter
	stall time.Duration
	end   time.Time // of the whole response
}

// Unwrap lets http.ResponseController reach the connection.
func (p *progress) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Flush implements http.Flusher.
func (p *progress) Flush() {
	_ = http.NewResponseController(p.ResponseWriter).Flush() // a connection that is gone shows at the next write
}

func (p *progress) Write(data []byte) (written int, err error) {
	if len(data) <= pieceMax {
		return p.ResponseWriter.Write(data)
	}
	control := http.NewResponseController(p.ResponseWriter)
	for written < len(data) {
		deadline := time.Now().Add(p.stall)
		if deadline.After(p.end) {
			deadline = p.end
		}
		_ = control.SetWriteDeadline(deadline) // where there is none, the server's own holds
		n, err := p.ResponseWriter.Write(data[written:min(len(data), written+pieceMax)])
		written += n
		if err != nil {
			return written, err
		}
	}
	_ = control.SetWriteDeadline(p.end)
	return written, nil
}
