package clerk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/outbound"
)

// user asks for a person, the plainest call there is.
func (s *stand) user(ctx context.Context) error {
	_, err := s.client.User(ctx, "user_alice")
	return err
}

func TestOnlyWhatMayHealIsTriedAgain(t *testing.T) {
	t.Parallel()
	huge := func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 64<<10)
		for sent := 0; sent < 50<<20; sent += len(piece) {
			if sent > outbound.BodyMax+len(piece) {
				t.Errorf("%d bytes of an answer were read", sent)
			}
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}
	partial := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10000")
		w.Write([]byte(aliceJSON))
	}
	dropped := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, c := range map[string]struct {
		answer   http.HandlerFunc
		kind     Kind
		status   int
		code     string
		requests int
	}{
		"html 502":           {sends(502, "<html><body>Bad gateway</body></html>", "Content-Type", "text/html"), Unavailable, 502, "", outbound.AttemptsMax},
		"json 500":           {sends(500, clerkSays("internal_clerk_error")), Unavailable, 500, "internal_clerk_error", outbound.AttemptsMax},
		"empty 503":          {sends(503, ""), Unavailable, 503, "", outbound.AttemptsMax},
		"status in the body": {sends(502, `{"errors":[{"code":"x"}],"status":200}`), Unavailable, 502, "x", outbound.AttemptsMax},
		"empty 200":          {sends(200, ""), Unavailable, 200, "", outbound.AttemptsMax},
		"html 200":           {sends(200, "<html>log in to the wireless network</html>"), Unavailable, 200, "", outbound.AttemptsMax},
		"truncated":          {sends(200, aliceJSON[:200]), Unavailable, 200, "", outbound.AttemptsMax},
		"partial":            {partial, Unavailable, 200, "", outbound.AttemptsMax},
		"dropped":            {dropped, Unavailable, 0, "", outbound.AttemptsMax},
		"hanging":            {hangs, Unavailable, 0, "", outbound.AttemptsMax},
		"another's":          {sends(200, strings.ReplaceAll(aliceJSON, "user_alice", "user_mallory")), Unavailable, 200, "", outbound.AttemptsMax},
		"nothing":            {sends(200, "{}"), Unavailable, 200, "", outbound.AttemptsMax},
		"another type":       {sends(200, `{"id":{"a":1}}`), Unavailable, 200, "", 1},
		"50 MB":              {huge, Unavailable, 200, "", 1},
		"bare 204":           {sends(204, ""), Unavailable, 204, "", outbound.AttemptsMax},
		"304":                {sends(304, ""), Unavailable, 304, "", 1},
		"404":                {sends(404, clerkSays("resource_not_found")), NotFound, 404, "resource_not_found", 1},
		"foreign 404":        {sends(404, "<html>nothing here</html>"), Unavailable, 404, "", 1},
		"empty 404":          {sends(404, ""), Unavailable, 404, "", 1},
		"other JSON 404":     {sends(404, `{"message":"no Route matched"}`), Unavailable, 404, "", 1},
		"half a 404":         {sends(404, clerkSays("resource_not_found")[:30]), Unavailable, 404, "", 1},
		"no errors 404":      {sends(404, `{"errors":[]}`), Unavailable, 404, "", 1},
		"401":                {sends(401, clerkSays("clerk_key_invalid")), Refused, 401, "clerk_key_invalid", 1},
		"422":                {sends(422, clerkSays("form_param_invalid")), Refused, 422, "form_param_invalid", 1},
		"409":                {sends(409, clerkSays("conflict")), Refused, 409, "conflict", 1},
		"foreign 403":        {sends(403, "<html>blocked</html>"), Unavailable, 403, "", 1},
		"strange code":       {sends(400, clerkSays("<script>")), Unavailable, 400, "", 1},
		"echoed key":         {sends(400, clerkSays(testKey)), Refused, 400, "", 1},
		"key as text":        {sends(500, testKey), Unavailable, 500, "", outbound.AttemptsMax},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, func(s *stand) {
				t := s.t
				s.answer = c.answer
				err := s.user(t.Context())
				e := want(t, err, c.kind)
				if e.Status != c.status || e.Code != c.code || e.Method != "User" {
					t.Errorf("got %+v", e)
				}
				if n := len(s.got()); n != c.requests {
					t.Errorf("%d requests, want %d", n, c.requests)
				}
				if o := s.last(); o.Outcome != string(c.kind) || o.Attempts != c.requests {
					t.Errorf("observed %+v", o)
				}
			})
		})
	}
}

func TestTheSecretKeyIsTakenOutOfForeignErrors(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.client = s.with(Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New(r.Header.Get("Authorization") + strings.Repeat("x", 10<<10))}
		})})
		err := s.user(t.Context())
		if want(t, err, Unavailable); !strings.Contains(err.Error(), "dial") {
			t.Errorf("the error of the network is not said: %v", err)
		}
	})
}

// Some errors of net/http and of encoding/json quote the answer.
func TestNoPartOfAnAnswerIsInAnError(t *testing.T) {
	t.Parallel()
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			io.WriteString(conn, answer)
		}
	}
	const canary = "4915112345"
	for _, answer := range []http.HandlerFunc{
		raw(canary + " is no HTTP\r\n\r\n"), raw("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), raw("HTTP/1.1 " + canary + " OK\r\n\r\n"),
		raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n"), raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "zz\r\n"),
		sends(200, `{"id":`+canary+`}`), sends(200, `{"id":"user_alice","created_at":`+canary+`.5}`), sends(200, canary), sends(200, `{"`+canary+`":`), sends(400, canary), sends(500, canary),
		sends(422, `{"errors":[{"message":"`+canary+`","long_message":"`+canary+`","code":"form_param_invalid","meta":{"param_name":"`+canary+`"}}],"clerk_trace_id":"`+canary+`"}`),
		sends(302, "", "Location", "https://evil.test/"+canary),
	} {
		run(t, func(s *stand) {
			s.answer = answer
			if err := s.user(s.t.Context()); err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
				s.t.Errorf("got %v", err)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestATroubleThatPassesIsNotSeen(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{sends(502, "<html>"), hangs, sends(200, `{"id":`)}
		s.answer = sends(http.StatusOK, memberJSON("org_acme", "user_bob", `{"isLicensed":true}`))
		m, err := s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", map[string]any{MetadataLicensed: true})
		if err != nil || !m.Licensed {
			t.Fatal(m, err)
		}
		for _, r := range s.got() {
			if r.method != http.MethodPatch || r.body != `{"public_metadata":{"isLicensed":true}}` {
				t.Errorf("sent %s %s", r.method, r.body)
			}
		}
	})
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"http://evil.test/v1/users/user_alice", "/v1/users/user_alice", "//evil.test/"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			run(t, func(s *stand) {
				t := s.t
				s.script = []http.HandlerFunc{sends(status, aliceJSON, "Location", target)}
				s.answer = sends(http.StatusOK, aliceJSON)
				if e := want(t, s.user(t.Context()), Unavailable); e.Status != status {
					t.Errorf("got %+v", e)
				}
				if len(s.got()) != 1 || len(s.hosts) != 1 || s.hosts["clerk.test:80"] != 1 {
					t.Errorf("%d requests, hosts %v", len(s.got()), s.hosts)
				}
			})
		}
	}
}
