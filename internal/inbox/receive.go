package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

const (
	// BodyMax is the largest body that is read, in bytes.
	BodyMax = 512 << 10

	respondWithin = 9 * time.Second // providers wait for 15
)

var (
	errRefused  = fault.New(connect.CodeInvalidArgument, teamtaskv1.Reason_REASON_INVALID_ARGUMENT, "the event is not accepted")
	errTooLarge = fault.New(connect.CodeResourceExhausted, teamtaskv1.Reason_REASON_MESSAGE_TOO_LARGE, "the event is too large")
)

// receiver is the address of one provider.
type receiver struct {
	inbox    *Inbox
	provider Provider
	exit     *fault.Exit
}

// Handler returns the handler of the provider's events, sent by POST. It responds 204 when the
// event is stored, now or earlier, and also if it cannot be read: then it is set aside, because
// sending it again would not help. A request that is not signed gets 400 and leaves only a line
// in the log; one that is too large gets 413. 503 or 504 asks the provider to send it again. The
// body is read as it is: no middleware may change it.
func (b *Inbox) Handler(p Provider, exit *fault.Exit) http.Handler {
	return &receiver{inbox: b, provider: p, exit: exit}
}

// ServeHTTP implements http.Handler.
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), respondWithin)
	defer cancel()
	receipt := Receipt{Provider: v.provider.Name}
	defer func() { v.inbox.o.Observe(receipt) }()
	body, err := v.read(ctx, w, r)
	if err == nil {
		err = v.provider.Verify(v.inbox.o.Now(), r.Header, body)
	}
	if err != nil {
		receipt.Cause = causeOf(err)
		v.refuse(w, r, receipt.Cause)
		return
	}
	v.inbox.step(stepVerified)
	e, envelope := v.event(r.Header, body)
	receipt.Kind = v.label(e.Kind)
	receipt.Outcome, err = v.inbox.store(ctx, e, envelope)
	if err != nil {
		receipt.Outcome, receipt.Cause = "", CauseStorage
		v.respond(w, r, 0, fromDatabase(ctx, err))
		return
	}
	v.inbox.step(stepCommitted)
	if receipt.Outcome == Inapplicable {
		v.inbox.o.Log.LogAttrs(ctx, slog.LevelWarn, "event of a form that cannot be applied", slog.String("provider", e.Provider),
			slog.String("external_id", e.ExternalID), slog.String("kind", e.Kind))
	}
	w.WriteHeader(http.StatusNoContent)
}

// read reads the body of a request whose headers may be those of a signed one. A request that
// cannot be signed is refused before its body is read.
func (v *receiver) read(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if len(r.Header["Content-Encoding"]) > 0 {
		return nil, v.unread(w, r, CauseEncoding)
	}
	if err := v.provider.Check(v.inbox.o.Now(), r.Header); err != nil {
		return nil, v.unread(w, r, err)
	}
	if r.ContentLength > BodyMax {
		return nil, v.unread(w, r, CauseTooLarge)
	}
	return v.inbox.bodies.read(ctx, w, r)
}

// unread returns err for a request whose body is not read: the connection ends with it.
func (v *receiver) unread(w http.ResponseWriter, r *http.Request, err error) error {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // otherwise net/http reads the rest before it responds
	}
	return err
}

func causeOf(err error) Cause {
	if c, ok := errors.AsType[Cause](err); ok {
		return c
	}
	return CauseSignature // of a verifier that gives no cause
}

// event returns the event of a verified request, and its envelope.
func (v *receiver) event(h http.Header, body []byte) (e Event, envelope Envelope) {
	envelope = v.provider.Read(h, body)
	e = Event{
		Provider:    v.provider.Name,
		ExternalID:  word(envelope.ID),
		Kind:        word(envelope.Kind),
		Instance:    word(envelope.Instance),
		Body:        body,
		ReceiveTime: v.inbox.o.Now(),
	}
	if e.ExternalID == "" {
		sum := sha256.Sum256(body)
		e.ExternalID = "sha256:" + hex.EncodeToString(sum[:])
	}
	envelope.Gone = word(envelope.Gone)
	return e, envelope
}

// label returns the kind for metrics: one of a fixed list.
func (v *receiver) label(kind string) string {
	if slices.Contains(v.provider.Kinds, kind) {
		return kind
	}
	return otherKind
}

// refuse writes as little as possible to the sender and the cause to the log.
func (v *receiver) refuse(w http.ResponseWriter, r *http.Request, cause Cause) {
	if v.exit.Logs(r.Context()) {
		v.inbox.o.Log.LogAttrs(r.Context(), slog.LevelInfo, "event refused", slog.String("request_id", fault.RequestID(r.Context())),
			slog.String("provider", v.provider.Name), slog.String("cause", string(cause)))
	}
	if cause == CauseTooLarge {
		v.respond(w, r, http.StatusRequestEntityTooLarge, errTooLarge)
		return
	}
	if cause == CauseBusy {
		v.respond(w, r, 0, fault.Overloaded)
		return
	}
	v.respond(w, r, 0, errRefused)
}

// respond writes the error as JSON with an HTTP status, whatever protocol the request claims:
// gRPC would say 200 and the rest in a trailer, and a provider would take the event for
// received.
func (v *receiver) respond(w http.ResponseWriter, r *http.Request, status int, err error) {
	plain := r.Clone(r.Context())
	plain.Method = http.MethodPost
	plain.Header = http.Header{"Content-Type": {"application/json"}}
	if status != 0 {
		w = &fixedStatus{ResponseWriter: w, status: status}
	}
	v.exit.Refuse(w, plain, err)
}

// fixedStatus writes one HTTP status instead of that of the code.
type fixedStatus struct {
	http.ResponseWriter
	status int
}

func (f *fixedStatus) WriteHeader(int) { f.ResponseWriter.WriteHeader(f.status) }

// wanting returns the names of the consumers that want events of the kind.
func (b *Inbox) wanting(kind string) []string {
	var names []string
	if kind == "" || strings.TrimSpace(kind) == "" {
		return nil
	}
	for _, c := range b.o.Consumers {
		if c.Wants(kind) {
			names = append(names, c.Name)
		}
	}
	return names
}
