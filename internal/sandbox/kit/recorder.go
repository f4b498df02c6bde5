package kit

import (
	"bytes"
	"maps"
	"net/http"
)

// Recorder is a ResponseWriter that records the response.
type Recorder struct {
	Status int // 0: nothing was written
	Body   bytes.Buffer
	header http.Header
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder { return &Recorder{header: http.Header{}} }

// Header returns the header of the response.
func (r *Recorder) Header() http.Header { return r.header }

// WriteHeader records the first status.
func (r *Recorder) WriteHeader(status int) {
	if r.Status == 0 {
		r.Status = status
	}
}

func (r *Recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.Body.Write(p)
}

// Replay writes the recorded response to w.
func (r *Recorder) Replay(w http.ResponseWriter) {
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body.Bytes())
}
