package api

import (
	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
)

// accountJSON is the shape of the account itself.
type accountJSON struct {
	ID              string `json:"id"`
	Object          string `json:"object"`
	ChargesEnabled  bool   `json:"charges_enabled"`
	Country         string `json:"country"`
	DefaultCurrency string `json:"default_currency"`
	Type            string `json:"type"`
}

// getAccount serves GET /v1/account.
func (a handler) getAccount(q Request) (any, error) {
	return accountJSON{ID: account.OwnAccount, Object: "account", ChargesEnabled: true, Country: "IE", DefaultCurrency: account.SeatCurrency, Type: "standard"}, q.Form.Done()
}
