package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/pgtest"
)

// withDirectory makes Clerk's directory configured.
func withDirectory() map[string]string {
	return map[string]string{"CLERK_WEBHOOK_SECRET": webhookSecret}
}

// svix are the headers of an event, signed now.
func svix(t *testing.T, id, body string) map[string]string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	timestamp := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "." + body))
	return map[string]string{
		"Content-Type": "application/json", "Svix-Id": id, "Svix-Timestamp": timestamp,
		"Svix-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}
}

func (s *stack) figures() string {
	recorder := httptest.NewRecorder()
	s.metrics.admin().ServeHTTP(recorder, httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

func TestClerksEventsAreReceivedAndCounted(t *testing.T) {
	t.Parallel()
	s := newStack(t, withDirectory())
	send := func(headers map[string]string, body string) reply {
		return s.send(s.http1, http.MethodPost, clerkEventsPath, "", headers, bytes.NewReader([]byte(body)))
	}
	body := `{"type":"user.created","instance_id":"ins_1","data":{"first_name":"canary-name"}}`
	for range 2 {
		if answer := send(svix(t, "msg_1", body), body); answer.status != http.StatusNoContent || len(answer.body) != 0 {
			t.Errorf("a signed event: %d %s", answer.status, answer.body)
		}
	}
	large := `{"type":"canary.kind","data":"` + strings.Repeat("x", 400<<10) + `"}` // more than a call may bring
	if answer := send(svix(t, "msg_2", large), large); answer.status != http.StatusNoContent {
		t.Errorf("a large event: %d %s", answer.status, answer.body)
	}
	tooLarge := strings.Repeat("x", 512<<10+1)
	if answer := send(svix(t, "msg_3", tooLarge), tooLarge); answer.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a too large event: %d %s", answer.status, answer.body)
	}
	answer := send(svix(t, "msg_4", body), body+" ")
	s.expect(t, "a forged event", answer, refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"))
	if answer.status != http.StatusBadRequest || strings.Contains(string(answer.body), "signature") {
		t.Errorf("a forged event: %d %s", answer.status, answer.body)
	}
	many := svix(t, "msg_5", body)
	many["Svix-Signature"] = strings.Repeat(many["Svix-Signature"]+" ", 10_000)
	if answer := send(many, body); answer.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("10,000 signatures: %d", answer.status)
	}
	if answer := s.send(s.http1, http.MethodGet, clerkEventsPath, "", nil, nil); answer.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", answer.status)
	}
	figures := s.figures()
	for _, want := range []string{
		`teamtask_events_received_total{kind="user.created",outcome="stored",provider="clerk"} 1`,
		`teamtask_events_received_total{kind="user.created",outcome="duplicate",provider="clerk"} 1`,
		`teamtask_events_received_total{kind="other",outcome="ignored",provider="clerk"} 1`,
		`teamtask_events_refused_total{cause="signature",provider="clerk"} 1`,
		`teamtask_events_refused_total{cause="too_large",provider="clerk"} 1`,
		`teamtask_events_pending 1`, `teamtask_events_failed 0`, `teamtask_events_oldest_pending_seconds 0.`,
	} {
		if !strings.Contains(figures, want) {
			t.Errorf("the figures lack %s:\n%s", want, figures)
		}
	}
	for place, text := range map[string]string{"log": s.log.String(), "figures": figures} {
		if strings.Contains(text, "canary") {
			t.Errorf("%s: holds what an event says", place)
		}
	}
}

func TestWithoutTheDirectoryClerkIsAskedToComeAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t, map[string]string{"CLERK_WEBHOOK_SECRET": ""})
	for _, contentType := range []string{"application/json", "application/grpc", ""} {
		headers := svix(t, "msg_1", "{}")
		headers["Content-Type"] = contentType
		answer := s.send(s.http1, http.MethodPost, clerkEventsPath, "", headers, strings.NewReader("{}"))
		s.expect(t, contentType, answer, refused(connect.CodeUnavailable, "DIRECTORY_NOT_CONFIGURED"))
		if answer.status != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", contentType, answer.status)
		}
	}
	if n := strings.Count(s.figures(), "teamtask_events_pending"); n != 0 {
		t.Error("there are figures of an inbox")
	}
}

// What the commands print, with a server that receives and one that works.
func TestTheWebhooksCommandShowsAndReplays(t *testing.T) {
	t.Parallel()
	c := build(t)
	s := newStack(t, withDirectory())
	body := `{"type":"user.created","instance_id":"ins_1","data":{"first_name":"canary-name"}}`
	s.send(s.http1, http.MethodPost, clerkEventsPath, "", svix(t, "msg_shown", body), strings.NewReader(body))
	other := `{"type":"session.created","data":{}}`
	s.send(s.http1, http.MethodPost, clerkEventsPath, "", svix(t, "msg_unwanted", other), strings.NewReader(other))
	s.send(s.http1, http.MethodPost, clerkEventsPath, "", svix(t, "msg_strange", "{"), strings.NewReader("{"))
	env := []string{"DATABASE_URL=" + s.database.AppURL}
	for _, step := range []struct {
		args string
		code int
		want string
	}{
		{"webhooks list", 0, "msg_shown"},
		{"webhooks list", 0, "ignored"},
		{"webhooks list --failed", 0, "(unreadable)"},
		{"webhooks list --limit 0", 1, "--limit"},
		{"webhooks show msg_shown", 0, "user.created"},
		{"webhooks show msg_shown", 0, "ins_1"},
		{"webhooks show 1", 0, "msg_shown"},
		{"webhooks show msg_strange", 0, "not a JSON object with a type"},
		{"webhooks show msg_shown --body", 0, "canary-name"},
		{"webhooks show msg_none", 1, "no such event"},
		{"webhooks list", 0, "directory pending"},
		{"webhooks replay msg_unwanted", 0, "no consumer wants"},
		{"webhooks replay msg_shown", 0, "handed again to: directory"},
		{"webhooks replay msg_strange --again", 0, "cannot be read"},
		{"webhooks replay msg_none", 1, "no such event"},
	} {
		code, stdout, stderr := c.run(t, env, strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(stdout+stderr, step.want) {
			t.Errorf("%s: %d, want %d and %q\n%s%s", step.args, code, step.code, step.want, stdout, stderr)
		}
		if !strings.Contains(step.args, "--body") && strings.Contains(stdout+stderr, "canary") {
			t.Errorf("%s: prints the body", step.args)
		}
	}
	for _, args := range []string{"webhooks list", "webhooks show 1", "webhooks replay 1"} {
		if code, _, stderr := c.run(t, nil, strings.Fields(args)...); code != 1 || !strings.Contains(stderr, "DATABASE_URL") {
			t.Errorf("%s without a database: %d %s", args, code, stderr)
		}
		if code, _, stderr := c.run(t, []string{"DATABASE_URL=" + s.database.AdminURL}, strings.Fields(args)...); code != 1 || !strings.Contains(stderr, "superuser") {
			t.Errorf("%s as a superuser: %d %s", args, code, stderr)
		}
	}
}

// The real binary starts the workers, and ends in good order when it is told to.
func TestTheServerWorksJobsUntilItIsToldToEnd(t *testing.T) {
	t.Parallel()
	c := build(t)
	database := pgtest.New(t)
	admin, err := pgxpool.New(t.Context(), database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	const job = `INSERT INTO river_job (kind, args, queue, max_attempts) VALUES ('inbox_delivery', '{"event": 1, "consumer": "none"}', 'inbox', 1)`
	if _, err := admin.Exec(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	env := enough(t)
	env["DATABASE_URL"], env["LOG_LEVEL"] = database.AppURL, "info"
	env["CLERK_ISSUER"], env["LISTEN_ADDR"], env["ADMIN_ADDR"] = sandboxOf(t).Issuer(), "127.0.0.1:0", "127.0.0.1:00"
	env["CLERK_SECRET_KEY"], env["CLERK_WEBHOOK_SECRET"] = sandboxOf(t).SecretKey(), webhookSecret
	process := c.prepare(t, lines(env), "serve")
	stderr, err := process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	waitFor(t, log, "serving", nil)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for worked, deadline := 0, time.Now().Add(patience); worked == 0; <-tick.C {
		if err := admin.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state = 'completed'`).Scan(&worked); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the job is not worked")
		}
	}
	if err := process.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for log.Scan() { // the log's end comes before Wait may be called
		if strings.Contains(log.Text(), "still under way") {
			t.Error(log.Text())
		}
	}
	if err := process.Wait(); err != nil {
		t.Errorf("ended with %v, want exit code 0", err)
	}
	const left = `SELECT count(*) FROM river_leader`
	n := 0
	if err := admin.QueryRow(t.Context(), left).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d leaders are left, %v: the workers were not stopped", n, err)
	}
}
