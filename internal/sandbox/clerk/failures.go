package clerk

import (
	"cmp"
	"io"
	"net/http"
	"strconv"

	"github.com/teamtask/teamtask/internal/sandbox/kit"
)

// withFailures makes the requests fail that match an injected failure.
func (s *Server) withFailures(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := s.failures.Take(kit.Clerk, r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		done := kit.NewRecorder()
		if f.ApplyFirst {
			next.ServeHTTP(done, r)
		}
		if !f.Wait(r.Context()) {
			return
		}
		switch {
		case f.Lie:
			s.lie(w, r)
			return
		case f.ApplyFirst && !f.HasResponse():
			done.Replay(w)
			return
		case !f.HasResponse():
			next.ServeHTTP(w, r)
			return
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		if f.Body != "" {
			w.Header().Set("Content-Type", f.ContentType())
			w.WriteHeader(cmp.Or(f.Status, http.StatusOK))
			_, _ = io.WriteString(w, f.Body)
			return
		}
		writeRefusal(w, statusRefusal(f.Status))
	})
}

// lie responds with 200 and with what a copy of the directory responds, which is then dropped; where that is a refusal, with an
// empty object.
func (s *Server) lie(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	shadow := &Server{baseURL: s.baseURL, now: s.now, key: s.key, dir: s.dir.Clone()}
	s.mu.Unlock()
	done := kit.NewRecorder()
	shadow.methods().ServeHTTP(done, r)
	body := []byte("{}\n")
	if done.Status == http.StatusOK {
		body = done.Body.Bytes()
	}
	w.Header().Set("Content-Type", kit.JSONType)
	_, _ = w.Write(body)
}
