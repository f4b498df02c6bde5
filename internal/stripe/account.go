package stripe

import (
	"context"
	"net/http"
	"strings"

	sdk "github.com/stripe/stripe-go/v76"
)

// The modes of an account, as an event's instance names them.
const (
	ModeLive = "live"
	ModeTest = "test"
)

// Mode returns the mode that the secret key is for, or "" where it does not say.
func (s *Client) Mode() string {
	kind, rest, _ := strings.Cut(s.wire.key, "_")
	mode, _, ok := strings.Cut(rest, "_")
	if !ok || kind != "sk" && kind != "rk" || mode != ModeLive && mode != ModeTest {
		return ""
	}
	return mode
}

// OwnAccount returns the id of the account that the secret key is for, as it was within the
// last hour, or "" where the key may not read it.
func (s *Client) OwnAccount(ctx context.Context) (string, error) {
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

// accountID is the id of the account that the secret key is for.
func (s *Client) accountID(ctx context.Context) (string, error) {
	q := question{"accounts.retrieve", http.MethodGet, "/v1/account", "", &sdk.AccountParams{}}
	return send(ctx, s, q, func(w *sdk.Account) (string, bool) { return w.ID, IsID(w.ID) })
}
