package stripe

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// makeTries is how often something is made anew that was taken away again.
const makeTries = 10

// makeOnce makes something with an idempotency key that stands for what is made, so
// that two at once make one. For a day Stripe returns the same key with what was made
// the first time, even where that has been taken away since, and repeats a failure: so it
// looks, and goes on to the next key. Now returns what is there, and whether it still is.
func makeOnce[T any](ctx context.Context, what []string, create func(key string) (T, error), now func(T) (T, bool, error)) (T, error) {
	var none T
	var err error
	for try := range makeTries + 1 {
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		key := freshKey() // the last: nothing is stored for it
		if try < makeTries {
			key = derivedKey(append(slices.Clone(what), strconv.Itoa(try))...)
		}
		var made T
		made, err = create(key)
		if e, ok := errors.AsType[*Error](err); ok && e.Replayed {
			continue
		}
		if err != nil {
			return none, err
		}
		there, ok, err := now(made)
		if ok && err == nil {
			return there, nil
		}
		if err != nil && !errors.Is(err, NotFound) {
			return none, err
		}
	}
	if err == nil {
		err = errors.New("it was made and taken away again several times within a day")
	}
	return none, err
}

// derivedKey is an idempotency key that stands for the parts.
func derivedKey(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "teamtask-" + hex.EncodeToString(h.Sum(nil))
}

// freshKey is an idempotency key for a write that does the same each time: only its own
// tries are to be one.
func freshKey() string { return "teamtask-" + rand.Text() }

// repeatable makes a write that does the same however often it is done. Where Stripe
// only repeats a failure that it stored for the key, another key is taken.
func repeatable(key string, write func(key string) error) error {
	err := write(key)
	if e, ok := errors.AsType[*Error](err); ok && e.Replayed {
		return write(freshKey())
	}
	return err
}
