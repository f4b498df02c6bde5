package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/teamtask/teamtask/internal/env"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

type webhooksCommand struct {
	List   webhooksListCommand   `cmd:"" help:"List the newest events and what became of them. Needs DATABASE_URL."`
	Show   webhooksShowCommand   `cmd:"" help:"Show one event. Needs DATABASE_URL."`
	Replay webhooksReplayCommand `cmd:"" help:"Apply an event again with every consumer that wants it, except where it is done. A running server does the work. Needs DATABASE_URL."`
}

type webhooksListCommand struct {
	Failed bool `help:"Only those with a delivery that was set aside."`
	Limit  int  `default:"50" help:"How many at most, up to 10,000."`
}

// Run implements the command.
func (l *webhooksListCommand) Run(ctx context.Context) error {
	if l.Limit < 1 || l.Limit > 10_000 {
		return errors.New("--limit: must be from 1 to 10,000")
	}
	return withEvents(ctx, func(events *inbox.Inbox) error {
		all, err := events.List(ctx, l.Failed, l.Limit)
		if err != nil {
			return err
		}
		return printEntries(os.Stdout, all)
	})
}

func printEntries(to io.Writer, all []inbox.StoredEvent) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tRECEIVED\tPROVIDER\tEXTERNAL ID\tKIND\tDELIVERIES")
	for _, e := range all {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", e.ID, at(e.ReceiveTime), e.Provider, e.ExternalID, kindOf(e), deliveriesOf(e))
	}
	return table.Flush()
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func kindOf(e inbox.StoredEvent) string {
	if e.Kind == "" {
		return "(unreadable)"
	}
	return e.Kind
}

func deliveriesOf(e inbox.StoredEvent) string {
	if len(e.Deliveries) == 0 {
		return "ignored"
	}
	var words []string
	for _, d := range e.Deliveries {
		words = append(words, d.Consumer+" "+stateOf(d))
	}
	return strings.Join(words, ", ")
}

func stateOf(d inbox.Delivery) string {
	if d.State == inbox.StateWaiting {
		return "waits"
	}
	return d.State
}

type webhooksShowCommand struct {
	ID   string `arg:"" help:"Our id of the event, or the provider's."`
	Body bool   `help:"Print the body too. It holds names and addresses until the event is applied, and ids after that."`
}

// Run implements the command.
func (s *webhooksShowCommand) Run(ctx context.Context) error {
	return withEvents(ctx, func(events *inbox.Inbox) error {
		e, err := theEvent(ctx, events, s.ID)
		if err != nil {
			return err
		}
		fmt.Printf("id           %d\nprovider     %s\nexternal id  %s\nkind         %s\ninstance     %s\nreceived     %s\nsize         %d bytes\n",
			e.ID, e.Provider, e.ExternalID, kindOf(e), e.Instance, at(e.ReceiveTime), e.Size)
		if e.About != "" {
			fmt.Printf("about        %s\n", e.About)
		}
		if e.Reduced {
			fmt.Println("body         reduced to ids")
		}
		if len(e.Deliveries) == 0 {
			fmt.Println("ignored      no consumer wanted it")
		}
		for _, d := range e.Deliveries {
			fmt.Printf("delivery     %s: %s at %s, failed attempts %d, replays %d\n", d.Consumer, stateOf(d), at(d.UpdateTime), d.Attempts, d.Replays)
			if d.LastError != "" {
				fmt.Printf("             %s\n", d.LastError)
			}
		}
		if !s.Body {
			return nil
		}
		body, err := events.Body(ctx, e.ID)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(append(body, '\n'))
		return err
	})
}

type webhooksReplayCommand struct {
	ID    string `arg:"" help:"Our id of the event, or the provider's."`
	Again bool   `help:"Also where it is done. Consumers look at the present state, so that nothing changes that is right already."`
}

// Run implements the command.
func (r *webhooksReplayCommand) Run(ctx context.Context) error {
	return withEvents(ctx, func(events *inbox.Inbox) error {
		e, err := theEvent(ctx, events, r.ID)
		if err != nil {
			return err
		}
		names, err := events.Replay(ctx, e, r.Again)
		if err != nil {
			return err
		}
		switch {
		case len(names) > 0:
			fmt.Printf("event %d is handed again to: %s\n", e.ID, strings.Join(names, ", "))
		case e.Kind == "":
			fmt.Printf("event %d cannot be read: there is nothing to apply\n", e.ID)
		case len(e.Deliveries) == 0:
			fmt.Printf("event %d: no consumer wants events of the kind %s\n", e.ID, e.Kind)
		default:
			fmt.Printf("event %d is done: nothing changes (--again applies it anyway)\n", e.ID)
		}
		return nil
	})
}

// theEvent is the one event of an id.
func theEvent(ctx context.Context, events *inbox.Inbox, id string) (inbox.StoredEvent, error) {
	all, err := events.Show(ctx, id)
	if err != nil {
		return inbox.StoredEvent{}, err
	}
	if len(all) > 1 {
		return inbox.StoredEvent{}, errors.New("several events have that id, by different providers: use our own, the first column of `webhooks list`")
	}
	return all[0], nil
}

// withEvents lends the inbox after the same look at the database that serving takes.
func withEvents(ctx context.Context, do func(*inbox.Inbox) error) error {
	vars := env.New(os.LookupEnv)
	url := vars.Required("DATABASE_URL")
	if err := vars.Err(); err != nil {
		return err
	}
	db, err := tenancy.Open(ctx, tenancy.Options{URL: url, Schema: migrations.Latest()})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	db.Close()
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	queue, err := jobs.Open(ctx, jobs.Options{URL: url, Log: log})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	defer queue.Close()
	events, err := inbox.New(queue, inbox.Options{Log: log, Consumers: server.Consumers(vars.IsSet("STRIPE_SECRET_KEY"))})
	if err != nil {
		return fmt.Errorf("DATABASE_URL: %w", err)
	}
	return do(events)
}
