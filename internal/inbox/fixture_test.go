package inbox_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // the process is a test's own
		}
		return
	}
	pgtest.Main(m)
}

const (
	secretA  = "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="
	secretB  = "whsec_ZmVkY2JhOTg3NjU0MzIxMA=="
	secretC  = "whsec_YW5vdGhlciBzZWNyZXQgb2Ygb3VycyE="
	kind     = "organizationMembership.created"
	consumer = "effects"
	patience = 90 * time.Second
)

// signed is a request as a provider sends it.
type signed struct {
	stripe                   bool // or Clerk
	id, timestamp, signature string
	body                     []byte
}

func sign(secret, id string, at time.Time, body string) signed {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return signed{id: id, timestamp: timestamp, signature: signature(secret, id, timestamp, body), body: []byte(body)}
}

func signature(secret, id, timestamp, body string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signStripe signs as Stripe does. The id is not sent: it stands in the body.
func signStripe(secret, id string, at time.Time, body string) signed {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return signed{
		stripe: true, id: id, timestamp: timestamp, body: []byte(body),
		signature: "t=" + timestamp + ",v1=" + stripeMAC([]byte(secret), timestamp+"."+body),
	}
}

func stripeMAC(key []byte, content string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(content))
	return hex.EncodeToString(mac.Sum(nil))
}

const stripePath = "/stripe" // of a box; Clerk has the rest

func (s signed) request(ctx context.Context, url string) *http.Request {
	if s.stripe {
		url += stripePath
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(s.body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if s.stripe {
		r.Header.Set("Stripe-Signature", s.signature)
		return r
	}
	r.Header.Set("Svix-Id", s.id)
	r.Header.Set("Svix-Timestamp", s.timestamp)
	r.Header.Set("Svix-Signature", s.signature)
	return r
}

func newID() string { return "msg_" + rand.Text() }

func eventBody(kind string) string {
	return `{"object":"event","type":"` + kind + `","instance_id":"ins_1","timestamp":1716883200,"data":{"id":"orgmem_1"}}`
}

// logged keeps what is logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// box is an inbox over a database of its own, behind an address.
type box struct {
	t        testing.TB
	db       pgtest.Database
	jobs     *jobs.Client
	inbox    *inbox.Inbox
	admin    *pgxpool.Pool
	url      string
	log      *logged
	mu       sync.Mutex
	receipts map[inbox.Receipt]int
}

func (x *box) observe(r inbox.Receipt) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.receipts[r]++
}

func (x *box) seen(r inbox.Receipt) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.receipts[r]
}

// options are those of an inbox and of its jobs.
type options struct {
	inbox.Options

	Jobs jobs.Options
}

// newBox makes an inbox whose jobs are not started yet. change may change its options.
func newBox(t testing.TB, change func(x *box, o *options)) *box {
	t.Helper()
	x := &box{t: t, db: pgtest.New(t), log: &logged{}, receipts: map[inbox.Receipt]int{}}
	var err error
	if x.admin, err = pgxpool.New(t.Context(), x.db.AdminURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.admin.Close)
	x.exec(`CREATE TABLE effects (event_id bigint NOT NULL)`) // without a key, so that doubles show
	x.exec(`GRANT SELECT, INSERT ON effects TO teamtask_runtime`)
	log := slog.New(slog.NewJSONHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o := options{
		Options: inbox.Options{Log: log, Observe: x.observe},
		Jobs:    jobs.Options{URL: x.db.AppURL, Log: log, Backoff: func(int) time.Duration { return 0 }},
	}
	if change != nil {
		change(x, &o)
	}
	if x.jobs, err = jobs.Open(t.Context(), o.Jobs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.jobs.Close)
	if x.inbox, err = inbox.New(x.jobs, o.Options); err != nil {
		t.Fatal(err)
	}
	exit := fault.NewExit(o.Log, func(fault.Outcome) {})
	mux := http.NewServeMux()
	for _, from := range senders {
		provider, err := from.open([]string{secretA, secretB})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle(map[string]string{"clerk": "/", "stripe": stripePath}[from.name], x.inbox.Handler(provider, exit))
	}
	server := httptest.NewServer(exit.Handler(mux))
	t.Cleanup(server.Close)
	x.url = server.URL
	return x
}

func (x *box) start() {
	x.t.Helper()
	if err := x.jobs.Start(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := x.jobs.Stop(ctx); err != nil {
			x.t.Error(err)
		}
	})
}

func (x *box) exec(sql string, args ...any) {
	x.t.Helper()
	if _, err := x.admin.Exec(x.t.Context(), sql, args...); err != nil {
		x.t.Fatalf("%s: %v", sql, err)
	}
}

func (x *box) count(sql string, args ...any) (n int) {
	x.t.Helper()
	if err := x.admin.QueryRow(x.t.Context(), sql, args...).Scan(&n); err != nil {
		x.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func (x *box) events() int  { return x.count(`SELECT count(*) FROM inbox_events`) }
func (x *box) effects() int { return x.count(`SELECT count(*) FROM effects`) }

// until waits until the query returns the number.
func (x *box) until(want int, sql string, args ...any) {
	x.t.Helper()
	got := -1
	x.comes(sql, func() bool { got = x.count(sql, args...); return got == want })
}

// comes waits for what is bound to happen.
func (x *box) comes(what string, holds func() bool) {
	x.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			x.t.Fatalf("never: %s\n%s", what, x.log)
		}
	}
}

func (x *box) send(s signed) (status int, answer string) {
	x.t.Helper()
	return x.do(s.request(x.t.Context(), x.url))
}

func (x *box) do(r *http.Request) (status int, answer string) {
	x.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		x.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// effect is the consumer that a careful one is: effect and mark in one transaction.
func effect(ctx context.Context, pool *pgxpool.Pool, e inbox.Event, at func(step string)) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO effects (event_id) VALUES ($1)`, e.ID); err != nil {
			return err
		}
		at("applying")
		_, err := tx.Exec(ctx, inbox.DoneSQL, e.ID, consumer)
		return err
	})
}

func all(string) bool { return true }

// withEffects adds the consumer of effects; before may fail it.
func withEffects(before func(inbox.Event) error) func(*box, *options) {
	return func(x *box, o *options) {
		pool, err := pgxpool.New(x.t.Context(), x.db.AppURL)
		if err != nil {
			x.t.Fatal(err)
		}
		x.t.Cleanup(pool.Close)
		o.Consumers = append(o.Consumers, inbox.Consumer{
			Name: consumer, Wants: func(k string) bool { return k == kind || k == stripeKind },
			Apply: func(ctx context.Context, e inbox.Event) error {
				if before != nil {
					if err := before(e); err != nil {
						return err
					}
				}
				return effect(ctx, pool, e, func(string) {})
			},
		})
	}
}
