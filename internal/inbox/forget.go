package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"
)

const (
	forgetBatch = 500
	textsBatch  = 100 // fewer: some of the bodies are fetched

	// forgetAgain is when a person is forgotten once more: events of theirs that waited
	// at first, or were sent again later, are done by then. Svix gives up after 28 h.
	forgetAgain = 48 * time.Hour
)

// forgetJob removes the events that tell of a person who was deleted.
type forgetJob struct {
	Person string `json:"person"` // an id
	After  int64  `json:"after"`  // the last event that was looked at
}

// Kind implements river.JobArgs.
func (forgetJob) Kind() string { return "inbox_forget" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (forgetJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queue, MaxAttempts: riverAttempts, Priority: priorityHouse}
}

// forgetting are the jobs that forget a person, none for "".
func forgetting(person string, now time.Time) []river.InsertManyParams {
	if person == "" {
		return nil
	}
	return []river.InsertManyParams{
		{Args: forgetJob{Person: person}},
		{Args: forgetJob{Person: person}, InsertOpts: &river.InsertOpts{ScheduledAt: now.Add(forgetAgain)}},
	}
}

// forget removes the events that name the person and wait for nothing, the news of the
// deletion included. When its time is over another job goes on where it was.
func (b *Inbox) forget(ctx context.Context, job *river.Job[forgetJob]) error {
	ending := time.Now().Add(b.o.Timeout / 2)
	for after := job.Args.After; ; {
		// A whole text of the document: an id that only begins alike is another's.
		last, err := forgetText(ctx, b.pool, after, `"`+job.Args.Person+`"`, forgetBatch)
		if err != nil || last == 0 {
			return err
		}
		if after = last; time.Now().After(ending) {
			if _, err := b.river.Insert(ctx, forgetJob{Person: job.Args.Person, After: after}, nil); err != nil {
				return fmt.Errorf("enqueue: %w", err)
			}
			return nil
		}
	}
}

// Forget removes the events whose body holds one of the texts as a whole string of JSON,
// in capital or small letters, and that wait for nothing. Empty texts are ignored. A
// text that is nobody's own, such as a kind, would remove everybody's events. Errors
// quote no text.
func (b *Inbox) Forget(ctx context.Context, texts []string) error {
	texts = slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return strings.TrimSpace(t) == "" })
	if len(texts) == 0 {
		return nil
	}
	quoted := plainlyQuoted(texts)
	for after := int64(0); ; {
		var holding []int64
		last, err := readSuspects(ctx, b.pool, after, quoted, textsBatch, func(id int64, body []byte) {
			if holds(body, texts) {
				holding = append(holding, id)
			}
		})
		if err == nil && len(holding) > 0 {
			err = deleteSettled(ctx, b.pool, holding)
		}
		if err != nil {
			return fmt.Errorf("forget texts: %w", fromDatabase(ctx, err))
		}
		if last == 0 {
			return nil
		}
		after = last
	}
}

// plainlyQuoted are those texts, in small letters and between quotes, that stand in JSON
// as they are unless it escapes something.
func plainlyQuoted(texts []string) []string {
	quoted := []string{}
	for _, t := range texts {
		if !strings.ContainsFunc(t, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			quoted = append(quoted, `"`+strings.ToLower(t)+`"`)
		}
	}
	return quoted
}

// holds tells whether a string of the document, a value or a name, is one of the texts.
// In what is not JSON the texts are looked for between quotes.
func holds(body []byte, texts []string) bool {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			break
		}
		s, ok := token.(string)
		if ok && slices.ContainsFunc(texts, func(t string) bool { return strings.EqualFold(s, t) }) {
			return true
		}
	}
	small := strings.ToLower(string(body))
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(small, `"`+strings.ToLower(t)+`"`) })
}
