package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	answerMax = 64 << 10 // bytes of an answer of the sandbox
	sandboxAt = "http://127.0.0.1:8090"
)

type tokenCommand struct {
	User    string `required:"" help:"Whose token: alice, bob, ben, charlie, dana, erin, frank, nina or nils."`
	Org     string `help:"The active organization: d2-gamers, acme or newco. Without it, the personal workspace."`
	V       int    `default:"2" help:"Token version, 1 or 2."`
	TTL     int    `name:"ttl" default:"60" help:"Seconds until it expires."`
	Sandbox string `default:"${sandbox}" help:"Where the sandbox is."`
}

// Run implements the command.
func (t *tokenCommand) Run(ctx context.Context) error {
	query := url.Values{"user": {t.User}, "org": {t.Org}, "v": {strconv.Itoa(t.V)}, "ttl": {strconv.Itoa(t.TTL)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.Sandbox+"/sandbox/token?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("ask the sandbox: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the sandbox does not answer; is `make run` running? %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was read to the end
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerMax))
	if err != nil {
		return fmt.Errorf("read the token: %w", err)
	}
	text := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the sandbox refuses: %s", text)
	}
	fmt.Println(text)
	return nil
}
