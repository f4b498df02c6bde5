package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profileFor is how long a target is driven for its profiles.
const profileFor = 5 * time.Second

// takeProfiles drives the product and the query floor once more, each with a profile
// of its processor time and of its allocations. It comes after what is measured, for
// a profile costs time. `go tool pprof -diff_base` tells the two apart.
func (p plan) takeProfiles(ctx context.Context, s *stack, o op, proto protocol, loads map[target]*load) error {
	if p.profile == "" {
		return nil
	}
	if err := os.MkdirAll(p.profile, 0o755); err != nil { //nolint:gosec // figures, nothing secret
		return fmt.Errorf("make the folder of the profiles: %w", err)
	}
	for _, of := range []struct {
		target  target
		address string
	}{{product, s.admin}, {query, s.servers[query].address}} {
		if err := p.takeProfile(ctx, loads[of.target], of.address, fmt.Sprintf("%s-%s.%s", o, proto, of.target)); err != nil {
			return fmt.Errorf("profile %s: %w", of.target, err)
		}
	}
	return nil
}

func (p plan) takeProfile(ctx context.Context, l *load, address, name string) error {
	kinds := map[string]string{"cpu": "profile", "allocs": "allocs"}
	done := make(chan error, len(kinds))
	for short, long := range kinds {
		from := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", address, long, int(profileFor.Seconds()))
		go func() { done <- fetch(ctx, from, filepath.Join(p.profile, name+"."+short+".pprof")) }()
	}
	_, err := l.drive(ctx, profileFor)
	for range kinds {
		err = errors.Join(err, <-done)
	}
	return err
}

// fetch writes what is at the address to a file.
func fetch(ctx context.Context, from, to string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", from, answer.Status)
	}
	file, err := os.Create(to) //nolint:gosec // in the folder that was asked for
	if err != nil {
		return err
	}
	_, err = io.Copy(file, answer.Body)
	return errors.Join(err, file.Close())
}
