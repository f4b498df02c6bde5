package billing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/teamtask/teamtask/internal/licensing"
	"github.com/teamtask/teamtask/internal/stripe"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// keyFor is how long a key is used: Stripe forgets them after 24 hours.
const keyFor = 23 * time.Hour

// intent is what is sent to Stripe under a key: stored before it is sent, so that whoever
// sends it again sends the same.
type intent struct {
	CustomerID string
	Key        string
	Name       string
	KeyTime    *time.Time
	Now        time.Time
}

// customer returns the organization's customer at Stripe and makes one where there is
// none: one, however many ask at once and whatever fails between.
func (b *Billing) customer(ctx context.Context, org, name string) (string, error) {
	i, err := b.intend(ctx, org, name)
	if err != nil || i.CustomerID != "" {
		return i.CustomerID, err
	}
	made, err := b.stripe.CreateCustomer(ctx, i.Key, org, i.Name)
	if err != nil {
		return "", errors.Join(err, b.spent(ctx, org, i.Key, err))
	}
	// A key that was used before answers what was made then, which may be gone by now.
	gone, err := b.stripe.CustomerGone(ctx, made)
	if err != nil {
		return "", err
	}
	if gone {
		return "", errors.Join(errMadeInVain, b.forgetIntent(ctx, org, i.Key))
	}
	var id string
	err = b.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		id, err = b.adopt(ctx, tx, org, made)
		return err
	})
	return id, err
}

// intend returns the customer, or the key with which to make one.
func (b *Billing) intend(ctx context.Context, org, name string) (i intent, err error) {
	err = b.db.In(ctx, system(org), func(tx *tenancy.Tx) error {
		if err := licensing.InsertLicense(ctx, tx, org); err != nil {
			return err
		}
		found, err := lockIntent(ctx, tx, org)
		if err != nil {
			return err
		}
		i = *found
		if i.CustomerID != "" || i.Key != "" && i.KeyTime != nil && i.Now.Sub(*i.KeyTime) < keyFor {
			return nil
		}
		i.Key, i.Name = "customer-"+rand.Text(), name
		return updateIntent(ctx, tx, org, i.Key, i.Name)
	})
	return i, err
}

// spent gives up a key under which Stripe has stored a failure: with it nothing would ever
// succeed.
func (b *Billing) spent(ctx context.Context, org, key string, cause error) error {
	if !stripe.Spends(cause) {
		return nil
	}
	return b.forgetIntent(ctx, org, key)
}

func (b *Billing) forgetIntent(ctx context.Context, org, key string) error {
	return b.db.Once(ctx, system(org), func(tx *tenancy.Tx) error { return forgetIntent(ctx, tx, org, key) })
}

// errMadeInVain is a customer that Stripe says it has made, and does not know.
var errMadeInVain = stripe.Inconsistent("customers.create", "the customer that was made is not there")

// adopt makes the customer the organization's, unless it has one, and returns the one it
// has then.
func (b *Billing) adopt(ctx context.Context, tx *tenancy.Tx, org, customer string) (string, error) {
	lic, err := openLicense(ctx, tx, org)
	if err != nil {
		return "", err
	}
	if lic.CustomerID != "" {
		return lic.CustomerID, nil
	}
	owner, err := insertCustomer(ctx, tx, customer, org)
	if err != nil {
		return "", err
	}
	if owner != org {
		return "", fmt.Errorf("customer %s: %w", customer, errOwned)
	}
	if err := setCustomer(ctx, tx, org, customer); err != nil {
		return "", err
	}
	return customer, record(ctx, tx, org, "customer.add", customer, nil)
}

var errOwned = errors.New("it is another organization's")

// organizationOf returns the organization of the customer, or "".
func (b *Billing) organizationOf(ctx context.Context, customer string) (org string, err error) {
	err = b.db.Once(ctx, system(""), func(tx *tenancy.Tx) (err error) {
		org, err = selectOrganizationOf(ctx, tx, customer)
		return err
	})
	return org, err
}
