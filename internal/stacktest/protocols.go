package stacktest

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// Typed is the generated client in the protocol.
func (p Protocol) Typed(s *Stack, token string) teamtaskv1connect.TaskServiceClient {
	return teamtaskv1connect.NewTaskServiceClient(p.httpClient(s, token), s.URL, p.options...)
}

// GetURL is a call of a read by hand, as the Connect protocol writes it.
func GetURL(procedure, encoding string, message []byte, more ...string) string {
	q := url.Values{"connect": {"v1"}, "encoding": {encoding}, "base64": {"1"}, "message": {base64.RawURLEncoding.EncodeToString(message)}}
	for _, m := range more {
		key, value, _ := strings.Cut(m, "=")
		q.Set(key, value)
	}
	return procedure + "?" + q.Encode()
}
