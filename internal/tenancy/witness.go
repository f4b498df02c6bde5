package tenancy

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
)

// Witness is a statement that travels with the change that a call makes: in its transaction, so
// that both are committed or neither, and without a round trip of its own. Once sends it behind
// its statement, In with the commit.
//
// The statement writes one row if the transaction has changed something, which the setting
// app.changed says (see migration 00004), and none otherwise. A witness is committed once at
// most. It may be shared by the goroutines of its call; its Args are called by one at a time.
type Witness struct {
	Tenant    string       // it travels in the scope of this tenant alone
	Statement Statement    // among those given to Open
	Args      func() []any // called when the statement is sent

	state atomic.Int32

	mu      sync.Mutex
	touched string
	notes   map[string]Note
}

// Note is a value before and after the change.
type Note struct{ Before, After any }

// Touched returns what the change is to, as the call has said by Tx.Touch, or "".
func (w *Witness) Touched() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.touched
}

// Notes returns what the call has noted by Tx.Note, by name.
func (w *Witness) Notes() map[string]Note {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.notes)
}

// Touch says what the transaction's change is to: for a call that makes something, whose
// request cannot name it. It is called before the statement. Without a witness it does nothing.
func (t *Tx) Touch(id string) {
	if w := t.witness; w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.touched = id
	}
}

// Note adds to the audit line of the call what becomes of a value. It is called before the
// transaction that changes it ends. It takes texts, numbers and truth values; no personal text.
// Without a witness it does nothing.
func (t *Tx) Note(name string, before, after any) {
	if w := t.witness; w != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.notes == nil {
			w.notes = make(map[string]Note)
		}
		w.notes[name] = Note{Before: before, After: after}
	}
}

// The states of a witness.
const (
	witnessFree int32 = iota
	witnessLent       // to a transaction that has not ended
	witnessKept       // committed
)

// Kept reports whether the witness was committed. After an error of Once or In false is not
// certain: the response to a commit can be lost.
func (w *Witness) Kept() bool { return w.state.Load() == witnessKept }

type witnessKey struct{}

// WithWitness returns a context whose changes are witnessed.
func WithWitness(ctx context.Context, w *Witness) context.Context {
	return context.WithValue(ctx, witnessKey{}, w)
}

// takeWitness returns the witness of ctx for a transaction of the actor, or nil.
func takeWitness(ctx context.Context, a Actor) *Witness {
	w, _ := ctx.Value(witnessKey{}).(*Witness)
	if w == nil || w.Tenant != a.Tenant || !w.state.CompareAndSwap(witnessFree, witnessLent) {
		return nil
	}
	return w
}

// settle ends the loan, at the end of the transaction.
func (w *Witness) settle(kept bool) {
	if w == nil {
		return
	}
	if kept {
		w.state.Store(witnessKept)
		return
	}
	w.state.Store(witnessFree)
}
