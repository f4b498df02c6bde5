package transport

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/teamtask/teamtask/internal/stacktest"
)

// bird is a word that is nowhere but where a test put it.
const bird = "zq7canary"

// birds are forms in which a word is put into a field: taken, refused for its length,
// its characters or its form, and such as would forge a line of a log.
var birds = []string{
	bird, strings.Repeat(bird, 30), bird + "\x00", bird + "@d2-gamers.test", "+49 170 " + bird, "sk_live_" + bird, "Bearer " + bird,
	bird + "\n{\"level\":\"ERROR\",\"msg\":\"forged by " + bird + "\"}", bird + "\r\nX-Forged: 1", "\x1b[31m" + bird, bird + "\u2028" + bird,
}

// Whatever a caller puts into a field, a header, a path or a token is in no line of the
// log at its lowest level, in no figure and no profile. A caller's own words may come
// back to the caller alone, and never from a token or a header.
func TestNothingThatACallerSendsIsKeptOutsideTheDatabase(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers", Name: bird, Description: bird})[0]
	calls := 0
	for _, m := range stacktest.Methods() {
		s.Stock("org_d2gamers")
		for _, f := range stacktest.TextFields(m.Input(), nil) {
			for _, value := range birds {
				request := stacktest.CaseOf(t, m).Request(id)
				f.Set(request.ProtoReflect(), value)
				for _, p := range stacktest.Protocols {
					if !p.Carries(m) || p.HTTP2 && !p.IsFramed() {
						continue
					}
					write := proto.Marshal
					if p.IsJSON() {
						write = protojson.Marshal
					}
					data, err := write(request)
					if err != nil {
						data = fmt.Appendf(nil, `{"%s":%q}`, f.Path[0].JSONName(), value) // a mask that JSON cannot write
					}
					p.Put(s, stacktest.ProcedureOf(m), token, data, "")
					calls++
				}
			}
		}
	}
	s.Exec(`DELETE FROM tasks`) // from here on no answer has a reason to hold a word
	calls += canariesAround(t, s, token)
	calls += canariesInTokens(t, s)

	text := s.Log.String()
	if lines := strings.Count(text, "\n"); lines < calls {
		t.Errorf("%d lines of log for %d calls: too little to look at", lines, calls)
	}
	known := []string{"time", "level", "msg", "request_id", "method", "code", "reason", "cause", "error", "duration"}
	for line := range strings.Lines(text) {
		var entries map[string]any
		if err := json.Unmarshal([]byte(line), &entries); err != nil {
			t.Fatalf("not a line of JSON: %q", line)
		}
		for key := range entries {
			if !slices.Contains(known, key) {
				t.Errorf("an entry that nobody looked at: %s", line)
			}
		}
	}
	noCanaries(t, s, "the log", text)
	admin := s.Server.AdminHandler()
	for _, path := range []string{
		"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/symbol", "/debug/pprof/goroutine?debug=1", "/debug/pprof/goroutine?debug=2",
		"/debug/pprof/heap?debug=1", "/debug/pprof/allocs?debug=1", "/debug/pprof/threadcreate?debug=1", "/debug/pprof/mutex?debug=1", "/debug/pprof/block?debug=1",
	} {
		recorder := httptest.NewRecorder()
		admin.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if recorder.Code != http.StatusOK || recorder.Body.Len() == 0 {
			t.Errorf("%s: status %d", path, recorder.Code)
		}
		noCanaries(t, s, path, recorder.Body.String())
	}
	t.Logf("%d calls, %d lines of log", calls, strings.Count(text, "\n"))
}

// noCanaries wants none of the words, and none of the secrets of the server either.
func noCanaries(t *testing.T, s *stacktest.Stack, title, text string) {
	t.Helper()
	for _, word := range []string{bird, strings.ToUpper(bird), "Bearer", "eyJ", "for-tests-only", s.Box.SecretKey(), s.Database.AppURL} {
		if at := strings.Index(text, word); at >= 0 {
			t.Errorf("%s holds %q:\n%.300q", title, word, text[max(0, at-150):])
		}
	}
}

// canariesAround puts words around the message: into headers, the path, the query, the
// body's type. None of them comes back.
func canariesAround(t *testing.T, s *stacktest.Stack, token string) (calls int) {
	t.Helper()
	back := func(title string, answer stacktest.Reply) {
		t.Helper()
		calls++
		noCanaries(t, s, title, decoded(t, answer))
	}
	for _, name := range []string{
		"Cookie", "User-Agent", "Referer", "Origin", "From", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Traceparent",
		"Baggage", "X-User-Agent", "Accept", "Accept-Encoding", "Connect-Accept-Encoding", "Accept-Language", "Connect-Protocol-Version", "Connect-Timeout-Ms",
		"Grpc-Timeout", "Content-Encoding", "Content-Type", "Grpc-Encoding", "Idempotency-Key", "Stripe-Signature", "Svix-Signature", "X-Api-Key",
		"Access-Control-Request-Method", "Access-Control-Request-Headers", "If-None-Match", "Range", "X-" + bird,
	} {
		for _, p := range []stacktest.Protocol{stacktest.Protocols[0], stacktest.Protocols[6], stacktest.Protocols[8]} {
			header := map[string]string{"Content-Type": p.ContentType}
			header[name] = bird
			message := p.Written(t, stacktest.CaseOf(t, stacktest.MethodOf(t, stacktest.ListTasks)).Request(""))
			if p.IsFramed() {
				message = stacktest.Enveloped(message)
			}
			back("header "+name+" over "+p.Name, p.Stream(s, stacktest.ListTasks, token, header, strings.NewReader(string(message))))
		}
	}
	for _, contentType := range []string{"application/json; charset=" + bird, "application/" + bird, "application/grpc+" + bird, "application/grpc-web+" + bird} {
		answer := s.Post(stacktest.ListTasks, token, []byte("{}"), map[string]string{"Content-Type": contentType})
		if answer.Header.Get("Content-Type") == contentType {
			answer.Header.Set("Content-Type", "application/grpc") // gRPC answers in the type that it was asked in
		}
		back(contentType, answer)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, strings.ToUpper(bird)} {
		for _, path := range []string{
			"/" + bird, "/teamtask.v1.TaskService/" + bird, "/" + bird + ".v1.Service/Method", "/healthz?" + bird, "/readyz/" + bird,
			stacktest.GetTask + "?message=" + bird, stacktest.GetTask + "?encoding=" + bird + "&message=x", stacktest.GetTask + "?encoding=json&base64=1&message=" + bird + "%25",
			stacktest.GetTask + "?encoding=json&message=%7B" + bird, stacktest.GetTask + "?connect=" + bird + "&encoding=json&message=%7B%7D",
			stacktest.GetTask + "?encoding=json&compression=" + bird + "&message=%7B%7D",
		} {
			answer := s.Send(s.HTTP1, method, path, token, map[string]string{"Content-Type": "application/json"}, strings.NewReader("{}"))
			calls++
			// A message may be quoted to whoever sent it, in a GET as well.
			if quoted := strings.Contains(path, "message=%7B"+bird); !quoted {
				noCanaries(t, s, method+" "+path, answer.Comparable())
			}
		}
	}
	return calls
}

// canariesInTokens puts words into headers and claims of tokens, those that are signed as
// they should be and those that are not, and into what is not a token at all.
func canariesInTokens(t *testing.T, s *stacktest.Stack) (calls int) {
	t.Helper()
	try := func(title, token string) {
		t.Helper()
		calls++
		answer := s.Post(stacktest.ListTasks, token, []byte("{}"))
		noCanaries(t, s, title, answer.Comparable())
	}
	claims := []string{
		"iss", "sub", "sid", "azp", "aud", "exp", "nbf", "iat", "v", "sts", "act", "org_id", "org_role", "org_slug", "org_permissions", "o", "fea", "pla", "jti",
		"email", "name", "phone", "first_name", "public_metadata", "org_metadata", bird,
	}
	for _, claim := range claims {
		for _, version := range []int{1, 2} {
			for _, value := range []any{
				bird, "user_" + bird, "org_" + bird, "org_ " + bird, []string{bird}, map[string]any{"sub": bird, "id": "org_" + bird, "rol": bird, "slg": bird},
				map[string]any{"id": bird + "@d2-gamers.test"},
			} {
				token := s.Bent("alice", version, func(c map[string]any) { c[claim] = value })
				try("claim "+claim, token)
				try("claim "+claim+", not signed", token[:len(token)-4]+"AAAA")
			}
		}
	}
	for _, name := range []string{"kid", "typ", "cat", "crit", "jku", "x5u", "jwk", "x5c", "cty", bird} {
		for _, value := range []any{bird, []string{bird}, map[string]any{"n": bird}} {
			token, err := s.Box.Sign(map[string]any{name: value}, nil)
			if err != nil {
				t.Fatal(err)
			}
			try("header "+name, token)
		}
	}
	for _, token := range []string{bird, bird + "." + bird + "." + bird, "eyJhbGciOiJub25lIn0." + bird + ".", strings.Repeat(bird, 1000), "é" + bird} {
		try("no token", token)
	}
	return calls
}
