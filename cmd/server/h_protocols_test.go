package main

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// typed is the generated client in the protocol.
func (p protocol) typed(s *stack, token string) teamtaskv1connect.TaskServiceClient {
	return teamtaskv1connect.NewTaskServiceClient(p.httpClient(s, token), s.url, p.options...)
}

// getURL is a call of a read by hand, as the Connect protocol writes it.
func getURL(procedure, encoding string, message []byte, more ...string) string {
	q := url.Values{"connect": {"v1"}, "encoding": {encoding}, "base64": {"1"}, "message": {base64.RawURLEncoding.EncodeToString(message)}}
	for _, m := range more {
		key, value, _ := strings.Cut(m, "=")
		q.Set(key, value)
	}
	return procedure + "?" + q.Encode()
}
