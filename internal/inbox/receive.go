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

	answerWithin = 9 * time.Second // providers wait for 15
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

// Handler is where the provider sends its events to, by POST. It answers 204 when the
// event is stored, now or earlier, and also where it cannot be read: then it is set
// aside, because sending it again would not mend it. Everything that is not signed is
// answered 400 and leaves no trace but a line in the log, what is too large 413, and
// 503 or 504 asks the provider to send it again. The body is read as it is: it must
// not be inside anything that changes it.
func (b *Inbox) Handler(p Provider, exit *fault.Exit) http.Handler {
	return &receiver{inbox: b, provider: p, exit: exit}
}

// ServeHTTP implements http.Handler.
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
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
		v.answer(w, r, 0, fromDatabase(ctx, err))
		return
	}
	v.inbox.step(stepCommitted)
	if receipt.Outcome == Inapplicable {
		v.inbox.o.Log.LogAttrs(ctx, slog.LevelWarn, "event of a form that cannot be applied", slog.String("provider", e.Provider),
			slog.String("external_id", e.ExternalID), slog.String("kind", e.Kind))
	}
	w.WriteHeader(http.StatusNoContent)
}

// read reads the body of a request whose headers may be those of a signed one. A request
// that cannot be signed is refused before anything of its body is read.
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

// unread is the refusal of a request whose body is not read: the connection ends with it.
func (v *receiver) unread(w http.ResponseWriter, r *http.Request, err error) error {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		w.Header().Set("Connection", "close") // otherwise net/http reads the rest before it answers
	}
	return err
}

func causeOf(err error) Cause {
	if c, ok := errors.AsType[Cause](err); ok {
		return c
	}
	return CauseSignature // a verifier that says nothing else
}

// event is the row to be of a request that is verified, and its envelope.
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

// label is a kind for figures, which a sender cannot make more of.
func (v *receiver) label(kind string) string {
	if slices.Contains(v.provider.Kinds, kind) {
		return kind
	}
	return otherKind
}

// refuse tells the sender as little as possible and the log the cause.
func (v *receiver) refuse(w http.ResponseWriter, r *http.Request, cause Cause) {
	if v.exit.Logs(r.Context()) {
		v.inbox.o.Log.LogAttrs(r.Context(), slog.LevelInfo, "event refused", slog.String("request_id", fault.RequestID(r.Context())),
			slog.String("provider", v.provider.Name), slog.String("cause", string(cause)))
	}
	if cause == CauseTooLarge {
		v.answer(w, r, http.StatusRequestEntityTooLarge, errTooLarge)
		return
	}
	if cause == CauseBusy {
		v.answer(w, r, 0, fault.Overloaded)
		return
	}
	v.answer(w, r, 0, errRefused)
}

// answer answers in JSON with a status of HTTP, whatever protocol the request pretends
// to speak: gRPC would say 200 and the rest in a trailer, and a provider would take the
// event for received.
func (v *receiver) answer(w http.ResponseWriter, r *http.Request, status int, err error) {
	plain := r.Clone(r.Context())
	plain.Method = http.MethodPost
	plain.Header = http.Header{"Content-Type": {"application/json"}}
	if status != 0 {
		w = &fixedStatus{ResponseWriter: w, status: status}
	}
	v.exit.Refuse(w, plain, err)
}

// fixedStatus writes one HTTP status whatever the code would have it be.
type fixedStatus struct {
	http.ResponseWriter
	status int
}

func (f *fixedStatus) WriteHeader(int) { f.ResponseWriter.WriteHeader(f.status) }

// wanting are the names of the consumers that want events of the kind.
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
