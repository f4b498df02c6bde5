package directory

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// withDirectory makes Clerk's directory configured.
func withDirectory() map[string]string {
	return map[string]string{"CLERK_WEBHOOK_SECRET": stacktest.WebhookSecret}
}

// withProviders makes all that send events configured.
func withProviders() map[string]string {
	env := withDirectory()
	maps.Copy(env, stacktest.OfStripe)
	return env
}

// svix are the headers of an event of Clerk's, signed now.
func svix(t *testing.T, id, body string) map[string]string {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(stacktest.WebhookSecret, "whsec_"))
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

// sender is a provider as it sends events: the headers of one, signed now with its own
// secret, and what it says.
type sender struct {
	name, path, signature string
	sign                  func(t *testing.T, id, body string) map[string]string
	body                  func(id, kind, more string) string
	kind                  string // one with a figure of its own, that no consumer of ours is without
	absent                string // the reason where it is not configured
}

var senders = []sender{
	{
		name: "clerk", path: server.ClerkEventsPath, signature: "Svix-Signature", kind: "user.created", absent: "DIRECTORY_NOT_CONFIGURED", sign: svix,
		body: func(_, kind, more string) string {
			return `{"type":"` + kind + `","instance_id":"ins_1","data":{"first_name":"canary-name"` + more + `}}`
		},
	},
	{
		name: "stripe", path: server.StripeEventsPath, signature: "Stripe-Signature", kind: "customer.subscription.updated", absent: "BILLING_NOT_CONFIGURED",
		sign: func(_ *testing.T, _, body string) map[string]string {
			signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: stacktest.StripeSecret})
			return map[string]string{"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signed.Header}
		},
		body: func(id, kind, more string) string {
			return `{"id":"evt_` + id + `","object":"event","type":"` + kind + `","api_version":"2023-10-16","livemode":false,"data":{"object":{"name":"canary-name"` + more + `}}}`
		},
	},
}

func figures(s *stacktest.Stack) string {
	recorder := httptest.NewRecorder()
	s.Server.AdminHandler().ServeHTTP(recorder, httptest.NewRequestWithContext(s.T.Context(), http.MethodGet, "/metrics", nil))
	return recorder.Body.String()
}

// oldestSeconds matches an age above zero.
var oldestSeconds = regexp.MustCompile(`teamtask_events_oldest_pending_seconds \S*[1-9]`)

// E01, E02, E09, E10 and E11 from outside.
func TestEventsAreReceivedAndCounted(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, withProviders())
	for _, from := range senders {
		send := func(headers map[string]string, body string) stacktest.Reply {
			return s.Send(s.HTTP1, http.MethodPost, from.path, "", headers, strings.NewReader(body))
		}
		body := from.body("1", from.kind, "")
		for range 2 {
			if answer := send(from.sign(t, "msg_1", body), body); answer.Status != http.StatusNoContent || len(answer.Body) != 0 {
				t.Errorf("%s: a signed event: %d %s", from.name, answer.Status, answer.Body)
			}
		}
		large := from.body("2", "canary.kind", `,"more":"`+strings.Repeat("x", 400<<10)+`"`) // more than a call may bring
		if answer := send(from.sign(t, "msg_2", large), large); answer.Status != http.StatusNoContent {
			t.Errorf("%s: a large event: %d %s", from.name, answer.Status, answer.Body)
		}
		tooLarge := strings.Repeat("x", 512<<10+1)
		if answer := send(from.sign(t, "msg_3", tooLarge), tooLarge); answer.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: a too large event: %d %s", from.name, answer.Status, answer.Body)
		}
		answer := send(from.sign(t, "msg_4", body), body+" ")
		s.Expect(t, "a forged event", answer, stacktest.Refused(connect.CodeInvalidArgument, "INVALID_ARGUMENT"))
		if answer.Status != http.StatusBadRequest || strings.Contains(string(answer.Body), "signature") {
			t.Errorf("%s: a forged event: %d %s", from.name, answer.Status, answer.Body)
		}
		if answer := send(map[string]string{"Content-Type": "application/json"}, body); answer.Status != http.StatusBadRequest {
			t.Errorf("%s: an event that is not signed: %d", from.name, answer.Status)
		}
		many := from.sign(t, "msg_5", body)
		many[from.signature] = strings.Repeat(many[from.signature]+" ,", 10_000)
		if answer := send(many, body); answer.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: 10,000 signatures: %d", from.name, answer.Status)
		}
		if answer := s.Send(s.HTTP1, http.MethodGet, from.path, "", nil, nil); answer.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: GET: %d", from.name, answer.Status)
		}
		figures := figures(s)
		for _, want := range []string{
			`teamtask_events_received_total{kind="other",outcome="ignored",provider="` + from.name + `"} 1`,
			`teamtask_events_received_total{kind="` + from.kind + `",outcome="duplicate",provider="` + from.name + `"} 1`,
			`teamtask_events_refused_total{cause="signature",provider="` + from.name + `"} 1`,
			`teamtask_events_refused_total{cause="headers",provider="` + from.name + `"} 1`,
			`teamtask_events_refused_total{cause="too_large",provider="` + from.name + `"} 1`,
			`teamtask_events_pending `, `teamtask_events_failed 0`, `teamtask_events_oldest_pending_seconds `,
		} {
			if !strings.Contains(figures, want) {
				t.Errorf("%s: the figures lack %s:\n%s", from.name, want, figures)
			}
		}
		if !oldestSeconds.MatchString(figures) {
			t.Errorf("%s: the oldest event has no age", from.name)
		}
		for place, text := range map[string]string{"log": s.Log.String(), "figures": figures} {
			if strings.Contains(text, "canary") {
				t.Errorf("%s: the %s holds what an event says", from.name, place)
			}
		}
	}
}

// E04: what one provider signs is not the other's, and neither is its secret.
func TestAnEventOfOneProviderIsRefusedAtTheOthersAddress(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, withProviders())
	for _, from := range senders {
		for _, at := range senders {
			body := from.body("1", from.kind, "")
			answer := s.Send(s.HTTP1, http.MethodPost, at.path, "", from.sign(t, "msg_1", body), strings.NewReader(body))
			if got, want := answer.Status == http.StatusNoContent, from.name == at.name; got != want || !got && answer.Status != http.StatusBadRequest {
				t.Errorf("%s's event at the address of %s: %d %s", from.name, at.name, answer.Status, answer.Body)
			}
		}
	}
	// In the right form, but with the other's secret.
	body := senders[1].body("2", senders[1].kind, "")
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: stacktest.WebhookSecret})
	answer := s.Send(s.HTTP1, http.MethodPost, server.StripeEventsPath, "", map[string]string{"Stripe-Signature": signed.Header}, strings.NewReader(body))
	if answer.Status != http.StatusBadRequest {
		t.Errorf("Stripe's form with Clerk's secret: %d %s", answer.Status, answer.Body)
	}
}

func TestAProviderThatIsNotConfiguredIsAskedToComeAgain(t *testing.T) {
	t.Parallel()
	neither := stacktest.New(t, map[string]string{"CLERK_WEBHOOK_SECRET": ""})
	onlyClerk := stacktest.New(t, withDirectory())
	onlyStripe := withProviders()
	onlyStripe["CLERK_WEBHOOK_SECRET"] = ""
	onlyBilling := stacktest.New(t, onlyStripe)
	for _, from := range senders {
		for _, s := range []*stacktest.Stack{neither, onlyClerk, onlyBilling} {
			for _, contentType := range []string{"application/json", "application/grpc", ""} {
				body := from.body("1", from.kind, "")
				headers := from.sign(t, "msg_1", body)
				headers["Content-Type"] = contentType
				answer := s.Send(s.HTTP1, http.MethodPost, from.path, "", headers, strings.NewReader(body))
				if s == onlyClerk && from.name == "clerk" || s == onlyBilling && from.name == "stripe" {
					if answer.Status != http.StatusNoContent {
						t.Errorf("%s alone is configured: %d %s", from.name, answer.Status, answer.Body)
					}
					continue
				}
				s.Expect(t, contentType, answer, stacktest.Refused(connect.CodeUnavailable, from.absent))
				if answer.Status != http.StatusServiceUnavailable {
					t.Errorf("%s, %s: status %d", from.name, contentType, answer.Status)
				}
			}
		}
	}
	if n := strings.Count(figures(neither), "teamtask_events_pending"); n != 0 {
		t.Error("there are figures of an inbox")
	}
}

// What the commands print, with a server that receives and one that works.
func TestTheWebhooksCommandShowsAndReplays(t *testing.T) {
	t.Parallel()
	c := stacktest.Build(t)
	s := stacktest.New(t, withDirectory())
	body := `{"type":"user.created","instance_id":"ins_1","data":{"first_name":"canary-name"}}`
	s.Send(s.HTTP1, http.MethodPost, server.ClerkEventsPath, "", svix(t, "msg_shown", body), strings.NewReader(body))
	other := `{"type":"session.created","data":{}}`
	s.Send(s.HTTP1, http.MethodPost, server.ClerkEventsPath, "", svix(t, "msg_unwanted", other), strings.NewReader(other))
	s.Send(s.HTTP1, http.MethodPost, server.ClerkEventsPath, "", svix(t, "msg_strange", "{"), strings.NewReader("{"))
	env := []string{"DATABASE_URL=" + s.Database.AppURL}
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
		code, stdout, stderr := c.Run(t, env, strings.Fields(step.args)...)
		if code != step.code || !strings.Contains(stdout+stderr, step.want) {
			t.Errorf("%s: %d, want %d and %q\n%s%s", step.args, code, step.code, step.want, stdout, stderr)
		}
		if !strings.Contains(step.args, "--body") && strings.Contains(stdout+stderr, "canary") {
			t.Errorf("%s: prints the body", step.args)
		}
	}
	// As the inbox leaves it where a consumer has said that it is too early.
	if _, err := s.Admin.Exec(t.Context(), `UPDATE inbox_deliveries SET last_error = 'not yet: customer cus_1 is not known', waits = true WHERE state = 'pending'`); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{"webhooks list": "directory waits", "webhooks show msg_shown": "directory: waits at", "webhooks show 1": "not yet: customer cus_1"} {
		if _, stdout, _ := c.Run(t, env, strings.Fields(args)...); !strings.Contains(stdout, want) {
			t.Errorf("%s: does not say %q:\n%s", args, want, stdout)
		}
	}
	for _, args := range []string{"webhooks list", "webhooks show 1", "webhooks replay 1"} {
		if code, _, stderr := c.Run(t, nil, strings.Fields(args)...); code != 1 || !strings.Contains(stderr, "DATABASE_URL") {
			t.Errorf("%s without a database: %d %s", args, code, stderr)
		}
		if code, _, stderr := c.Run(t, []string{"DATABASE_URL=" + s.Database.AdminURL}, strings.Fields(args)...); code != 1 || !strings.Contains(stderr, "superuser") {
			t.Errorf("%s as a superuser: %d %s", args, code, stderr)
		}
	}
}

// The real binary starts the workers, and ends in good order when it is told to.
func TestTheServerWorksJobsUntilItIsToldToEnd(t *testing.T) {
	t.Parallel()
	c := stacktest.Build(t)
	for name, configured := range map[string]map[string]string{
		"the directory": {"CLERK_SECRET_KEY": stacktest.SandboxOf(t).SecretKey(), "CLERK_WEBHOOK_SECRET": stacktest.WebhookSecret},
		"Stripe":        stacktest.OfStripe,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			worksJobs(t, c, configured)
		})
	}
}

func worksJobs(t *testing.T, c stacktest.Command, configured map[string]string) {
	t.Helper()
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
	env := stacktest.Enough(t)
	env["DATABASE_URL"], env["LOG_LEVEL"] = database.AppURL, "info"
	env["CLERK_ISSUER"], env["LISTEN_ADDR"], env["ADMIN_ADDR"] = stacktest.SandboxOf(t).Issuer(), "127.0.0.1:0", "127.0.0.1:00"
	maps.Copy(env, configured)
	process := c.Prepare(t, stacktest.Lines(env), "serve")
	stderr, err := process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	stacktest.WaitFor(t, log, "serving", nil)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for worked, deadline := 0, time.Now().Add(stacktest.Patience); worked == 0; <-tick.C {
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
