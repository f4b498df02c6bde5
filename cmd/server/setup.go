package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/teamtask/teamtask/internal/env"
	"github.com/teamtask/teamtask/internal/settings"
	"github.com/teamtask/teamtask/internal/stripe"
)

type setupCommand struct {
	Stripe setupStripeCommand `cmd:"" help:"Make or find what seats need in the Stripe account of STRIPE_SECRET_KEY: product, price, customer portal and webhook endpoint. Prints the variables to set. Doing it again changes nothing. Needs STRIPE_SECRET_KEY."`
}

type setupStripeCommand struct {
	WebhookURL string `name:"webhook-url" help:"Where Stripe reaches this server, for instance https://api.example.com/webhooks/stripe. Without it the webhook endpoint is left out." placeholder:"URL"`
	Price      string `help:"Sell this price, which is there already. Without it: the first of STRIPE_SEAT_PRICE where that is set, or else a price of our own." placeholder:"ID"`
	Amount     *int64 `help:"What a seat costs, in the smallest unit of the currency (1000)." placeholder:"N"`
	Currency   string `help:"In which currency (eur)." placeholder:"CODE"`
	Interval   string `help:"How often: day, week, month or year (month). STRIPE_PRORATION says how changes in between are billed." placeholder:"UNIT"`
}

const amountMax = 99_999_999 // Stripe's own limit

// Run implements the command.
func (c *setupStripeCommand) Run(ctx context.Context) error {
	return c.run(ctx, os.LookupEnv, os.Stdout)
}

func (c *setupStripeCommand) run(ctx context.Context, lookup func(string) (string, bool), to io.Writer) error {
	vars := env.New(lookup)
	vars.Required("STRIPE_SECRET_KEY")
	o := settings.Stripe(vars)
	if err := errors.Join(vars.Err(), c.check()); err != nil {
		return fmt.Errorf("the configuration is not usable:\n%w", err)
	}
	var amount int64 // the usual one
	if c.Amount != nil {
		amount = *c.Amount
	}
	made, err := stripe.New(o).Setup(ctx, stripe.SetupOptions{
		WebhookURL: c.WebhookURL, Price: c.Price, Amount: amount, Currency: strings.ToLower(c.Currency), Interval: c.Interval,
	})
	for _, step := range made.Steps { // what was done before an error stays
		fmt.Fprintln(to, step)
	}
	if err != nil {
		return fmt.Errorf("set up Stripe: %w", err)
	}
	for _, todo := range made.Todo {
		fmt.Fprintln(to, "TO DO: "+todo)
	}
	fmt.Fprintf(to, "\nSTRIPE_SEAT_PRICE=%s\n", strings.Join(seatPrices(made.Price, o.SeatPrices), ","))
	switch {
	case made.WebhookSecret != "":
		fmt.Fprintf(to, "STRIPE_WEBHOOK_SECRET=%s\n", made.WebhookSecret)
		fmt.Fprintln(to, "Stripe tells this secret only now.")
	case made.Endpoint != "":
		fmt.Fprintf(to, "STRIPE_WEBHOOK_SECRET is the signing secret of %s, which the dashboard shows under Developers, Webhooks.\n", made.Endpoint)
	default:
		fmt.Fprintln(to, "The webhook endpoint was not looked at: --webhook-url says where Stripe reaches this server.")
	}
	return nil
}

// check says what is wrong with the flags.
func (c *setupStripeCommand) check() error {
	var problems []error
	if c.WebhookURL != "" && env.IsURL(c.WebhookURL) != nil {
		problems = append(problems, errors.New("--webhook-url: is not a plain http or https URL"))
	}
	if c.Amount != nil && (*c.Amount < 1 || *c.Amount > amountMax) {
		problems = append(problems, fmt.Errorf("--amount: must be a whole number from 1 to %d", amountMax))
	}
	if code := strings.ToLower(c.Currency); code != "" && (len(code) != 3 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz") != "") {
		problems = append(problems, errors.New("--currency: must be a code of three letters"))
	}
	switch c.Interval {
	case "", "day", "week", "month", "year":
	default:
		problems = append(problems, errors.New("--interval: must be day, week, month or year"))
	}
	return errors.Join(problems...)
}

// seatPrices are all that count as seats, the one that is sold first.
func seatPrices(sold string, known []string) []string {
	all := []string{sold}
	for _, id := range known {
		if id != sold {
			all = append(all, id)
		}
	}
	return all
}
