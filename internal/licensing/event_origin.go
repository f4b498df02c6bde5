package licensing

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/teamtask/teamtask/internal/inbox"
)

// errOtherMode refuses an event of live mode where the secret key is one of test mode, or the
// other way round. What it is about cannot be fetched with this key.
var errOtherMode = errors.New("the event is not of the mode, live or test, of STRIPE_SECRET_KEY: is STRIPE_WEBHOOK_SECRET of another account?")

// The modes of an account, as an event's instance names them.
const (
	modeLive = "live"
	modeTest = "test"
)

// otherAccount reports whether an event of Stripe's is about another account than the secret
// key's: there is nothing to do about it. An event of the other mode is set aside at once, for an
// operator to look at: the server was given the secrets of two modes.
func (l *Licensing) otherAccount(ctx context.Context, e inbox.Event) (bool, error) {
	account, mode, ok := strings.Cut(e.Instance, ":")
	if !ok {
		account, mode = "", e.Instance
	}
	if ours := l.stripe.mode(); ours != "" && (mode == modeLive || mode == modeTest) && mode != ours {
		if e.Attempt <= 1 {
			l.alert(ctx, alertMode, "", e.ExternalID)
		}
		return false, inbox.Never(errOtherMode)
	}
	if account == "" {
		return false, nil
	}
	own, err := l.stripe.ownAccount(ctx)
	if err != nil || own == "" || own == account {
		return false, err
	}
	l.log.LogAttrs(ctx, slog.LevelInfo, "event of another account passed over",
		slog.Int64("event", e.ID), slog.String("kind", e.Kind), slog.String("account", account))
	return true, nil
}

// mode returns the mode that the secret key is for, or "" where it does not say.
func (s *Stripe) mode() string {
	kind, rest, _ := strings.Cut(s.wire.key, "_")
	mode, _, ok := strings.Cut(rest, "_")
	if !ok || kind != "sk" && kind != "rk" || mode != modeLive && mode != modeTest {
		return ""
	}
	return mode
}

// ownAccount returns the id of the account that the secret key is for, as it was within the
// last hour, or "" where the key may not read it.
func (s *Stripe) ownAccount(ctx context.Context) (string, error) {
	known, fresh := recall(s, &s.account)
	if fresh {
		return known, nil
	}
	id, err := s.accountID(ctx)
	if err != nil && !isRefusal(err) {
		return "", err
	}
	keep(s, &s.account, id)
	return id, nil
}
