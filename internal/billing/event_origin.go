package billing

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/stripe"
)

// errOtherMode refuses an event of live mode where the secret key is one of test mode, or the
// other way round. What it is about cannot be fetched with this key.
var errOtherMode = errors.New("the event is not of the mode, live or test, of STRIPE_SECRET_KEY: is STRIPE_WEBHOOK_SECRET of another account?")

// otherAccount reports whether an event of Stripe's is about another account than the secret
// key's: there is nothing to do about it. An event of the other mode is set aside at once, for an
// operator to look at: the server was given the secrets of two modes.
func (b *Billing) otherAccount(ctx context.Context, e inbox.Event) (bool, error) {
	account, mode, ok := strings.Cut(e.Instance, ":")
	if !ok {
		account, mode = "", e.Instance
	}
	if ours := b.stripe.Mode(); ours != "" && (mode == stripe.ModeLive || mode == stripe.ModeTest) && mode != ours {
		if e.Attempt <= 1 {
			b.alert(ctx, alertMode, "", e.ExternalID)
		}
		return false, inbox.Permanent(errOtherMode)
	}
	if account == "" {
		return false, nil
	}
	own, err := b.stripe.OwnAccount(ctx)
	if err != nil || own == "" || own == account {
		return false, err
	}
	b.log.LogAttrs(ctx, slog.LevelInfo, "event of another account passed over",
		slog.Int64("event", e.ID), slog.String("kind", e.Kind), slog.String("account", account))
	return true, nil
}
