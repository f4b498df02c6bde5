// Package audit keeps who did what: one line for every call of an audited method that
// changes something, written in the transaction of the change. Calls that are refused or
// change nothing have lines too, written after the fact, before the response leaves; an
// actor who makes very many of them gets one line for all that are alike.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	succeeded = "ok"      // the outcome of a call that was not refused
	unknown   = "unknown" // the outcome of a call that ended without an answer

	writeWithin = 2 * time.Second // a line written after the fact keeps its caller waiting so long at most
	sweepMax    = 1000            // lines removed in one transaction
	repeated    = "repeated"      // the name under which the details say how many refusals a line stands for
	overloaded  = "OVERLOADED"    // the reason of a call that is refused because there is too much to do
)

// Line is one line of the log as system actors write it.
type Line struct {
	Method  string         // what was done, for instance "seats.release"
	Target  string         // the id of what it was done to, or ""
	Outcome string         // "": "ok"
	Reason  string         // why it was not done, or ""
	Details map[string]any // texts, numbers, truth values and Changes by name; no personal text
}

// Change is a value before and after.
type Change struct {
	Before any `json:"before"`
	After  any `json:"after"`
}

// line is a line as it is stored, but for what the database adds: id and time.
type line struct {
	tenant       string
	actor        string
	impersonator string
	method       string
	target       string
	outcome      string
	reason       string
	requestID    string
	details      map[string]any
}

// args are the parameters of the statements that write a line.
func (e line) args() []any {
	details := []byte("{}")
	if len(e.details) > 0 {
		if encoded, err := json.Marshal(e.details); err == nil {
			details = encoded
		} // else: values that no JSON stands for are left out; plain ones always encode
	}
	return []any{e.tenant, e.actor, e.impersonator, e.method, e.target, e.outcome, e.reason, e.requestID, string(details)}
}

// told is the line for the log, with the error for which it could not be written.
func (e line) told(err error) []slog.Attr {
	return []slog.Attr{
		slog.String("request_id", e.requestID), slog.String("tenant", e.tenant), slog.String("actor", e.actor),
		slog.String("impersonator", e.impersonator), slog.String("method", e.method), slog.String("target", e.target),
		slog.String("code", e.outcome), slog.String("reason", e.reason), slog.Any("repeated", e.details[repeated]),
		slog.String("error", err.Error()),
	}
}

// Files is where descriptors are found: protoregistry.GlobalFiles, or a set of a
// test's own.
type Files interface {
	RangeFilesByPackage(name protoreflect.FullName, f func(protoreflect.FileDescriptor) bool)
}

// Options are what New needs to know.
type Options struct {
	DB      *tenancy.DB                 // opened with Statements
	Log     *slog.Logger                // where a line goes that cannot be written
	Failed  func()                      // called for each of those
	Counted func()                      // called for each call that is counted and has no line of its own; may be nil
	Files   Files                       // of the contract
	Package protoreflect.FullName       // the contract's
	Audited func(procedure string) bool // whether the rule of a method says so

	RefusalsMax int           // lines of calls without a change that one actor gets in a window; 0: 60
	Window      time.Duration // 0: a minute
}

// Log is the audit log of all tenants. It is safe to share.
type Log struct {
	db     *tenancy.DB
	log    *slog.Logger
	failed func()
	plans  map[string]*plan // of the audited methods, by procedure
	flood  *flood
}

// New reads what is kept of each audited method. It answers an error that names every
// field of theirs that does not say, and every audited method that streams: a stream
// has no one end to keep.
func New(o Options) (*Log, error) {
	l := &Log{db: o.DB, log: o.Log, failed: o.Failed, plans: map[string]*plan{}}
	l.flood = newFlood(o.RefusalsMax, o.Window, l.writeLate)
	if o.Counted != nil {
		l.flood.counted = o.Counted
	}
	var problems []error
	o.Files.RangeFilesByPackage(o.Package, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				procedure := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
				if !o.Audited(procedure) {
					continue
				}
				p, err := planOf(m)
				if err != nil {
					problems = append(problems, err)
				}
				l.plans[procedure] = p
			}
		}
		return true
	})
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("audited methods: %w", err)
	}
	return l, nil
}

// Close writes what the log still holds back of floods. No call may be under way.
func (l *Log) Close() { l.flood.close() }

// Record writes a line of its own in the actor's transaction: for what the system does
// by itself, and for people's doings that are no call.
func Record(ctx context.Context, tx *tenancy.Tx, actor tenancy.Actor, what Line) error {
	e := line{
		tenant: actor.Tenant, actor: actor.User, impersonator: actor.Impersonator,
		method: what.Method, target: what.Target, outcome: what.Outcome, reason: what.Reason, details: plain(what.Details),
	}
	if e.outcome == "" {
		e.outcome = succeeded
	}
	return insertEvent(ctx, tx, e)
}

// Sweep removes the lines of all tenants that are older than 400 days, and answers how
// many there were. Several may sweep at once.
func (l *Log) Sweep(ctx context.Context) (removed int64, err error) {
	for {
		var n int64
		err := l.db.Once(ctx, tenancy.System("", "audit"), func(tx *tenancy.Tx) (err error) {
			n, err = expireEvents(ctx, tx, sweepMax)
			return err
		})
		removed += n
		if err != nil || n < sweepMax {
			return removed, err
		}
	}
}

// KeepSwept sweeps every so often, until ctx ends. What fails is told to
// the log and tried again at the next turn.
func (l *Log) KeepSwept(ctx context.Context, every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		removed, err := l.Sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.log.LogAttrs(ctx, slog.LevelError, "audit lines not swept", slog.String("error", err.Error()))
		}
		if removed > 0 {
			l.log.LogAttrs(ctx, slog.LevelInfo, "audit lines swept", slog.Int64("removed", removed))
		}
	}
}

// Handler notices the calls of audited methods and writes the lines that were not
// written with a change. It belongs around fault's handler: only there is it known how
// a call has ended, also one that could not be read.
func (l *Log) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := l.plans[r.URL.Path]
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		c := &call{method: r.URL.Path, plan: p}
		ctx := r.Context()
		// The answer is small and leaves when this returns.
		defer func() { l.settle(ctx, c) }()
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, callKey{}, c)))
	})
}

// Shed counts a call of the actor that was refused with OVERLOADED before it came to
// Handler. Methods that are not audited are left alone.
func (l *Log) Shed(actor *tenancy.Actor, procedure string) {
	if l.plans[procedure] == nil {
		return
	}
	l.flood.count(line{
		tenant: actor.Tenant, actor: actor.User, impersonator: actor.Impersonator,
		method: procedure, outcome: connect.CodeResourceExhausted.String(), reason: overloaded,
	})
}

// settle writes the line of a call that has ended, unless its change has taken it
// along. A call whose actor was never verified has no tenant, and no line.
func (l *Log) settle(ctx context.Context, c *call) {
	if c.actor == nil {
		return
	}
	o := c.ended()
	if o.Code == succeeded && c.witness.Kept() {
		return
	}
	if o.Code == "" {
		o.Code = unknown
	}
	e := c.line(o)
	if !l.flood.admit(e) {
		return
	}
	if err := l.write(ctx, e); err != nil {
		l.flood.count(e)
		l.log.LogAttrs(ctx, slog.LevelWarn, "audit line counted", e.told(err)...)
	}
}

// write writes a line after the fact. The caller who has gone does not stop it.
func (l *Log) write(ctx context.Context, e line) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeWithin)
	defer cancel()
	return l.db.Once(ctx, tenancy.System(e.tenant, "audit"), func(tx *tenancy.Tx) error { return insertEvent(ctx, tx, e) })
}

// writeLate writes a line that no call waits for.
func (l *Log) writeLate(e line) {
	ctx := context.Background()
	if err := l.write(ctx, e); err != nil {
		l.lose(ctx, e, err)
	}
}

// lose gives the log the line that the database did not take.
func (l *Log) lose(ctx context.Context, e line, err error) {
	l.failed()
	l.log.LogAttrs(ctx, slog.LevelError, "audit line lost", e.told(err)...)
}

// plain makes what is kept into what JSON stands for.
func plain(details map[string]any) map[string]any {
	kept := make(map[string]any, len(details))
	for name, v := range details {
		if c, ok := v.(Change); ok {
			kept[name] = Change{Before: plainValue(c.Before), After: plainValue(c.After)}
			continue
		}
		kept[name] = plainValue(v)
	}
	return kept
}

func plainValue(v any) any {
	switch v := v.(type) {
	case nil, bool, string, []string, int, int32, int64, uint32, uint64:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}
