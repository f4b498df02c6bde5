package tenancy

import (
	"context"
	"sync/atomic"
)

// Witness is a statement that goes along with the change that a call makes: in its
// transaction, so that it is kept with the change or not at all, and without a round
// trip of its own. Once sends it behind its statement, In with the commit.
//
// The statement writes one row where the transaction has changed something, for which
// the setting app.changed stands (see migration 00004), and none elsewhere. A witness
// is kept once at most; it may be shared by the goroutines of its call, and its Args
// are asked for by one at a time.
type Witness struct {
	Tenant    string       // it goes along in the scope of this tenant alone
	Statement Statement    // among those given to Open
	Args      func() []any // asked for when the statement is sent

	state   atomic.Int32
	touched atomic.Pointer[string]
}

// Touched is what the change is to, where the call has said so by Touch; "" elsewhere.
func (w *Witness) Touched() string {
	if id := w.touched.Load(); id != nil {
		return *id
	}
	return ""
}

// Touch tells the witness of ctx what its change will be to: for a call that makes
// something, whose request cannot name it. Without a witness nothing happens.
func Touch(ctx context.Context, id string) {
	if w, ok := ctx.Value(witnessKey{}).(*Witness); ok {
		w.touched.Store(&id)
	}
}

// The states of a witness.
const (
	witnessFree int32 = iota
	witnessLent       // to a transaction that has not ended
	witnessKept       // committed
)

// Kept tells whether the witness was committed. False after an error of the door says
// less: the answer to a commit can be lost.
func (w *Witness) Kept() bool { return w.state.Load() == witnessKept }

type witnessKey struct{}

// WithWitness answers a context whose changes are witnessed.
func WithWitness(ctx context.Context, w *Witness) context.Context {
	return context.WithValue(ctx, witnessKey{}, w)
}

// takeWitness answers the witness of ctx for a transaction of the actor, or nil.
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
