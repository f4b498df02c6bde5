package clerk

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/teamtask/teamtask/internal/outbound"
)

const codeMax = 64 // bytes

// refusal reads a refusal as Clerk writes it. All else, a 404 of a proxy for instance, is
// not Clerk's.
func refusal(_ *http.Response, body []byte) outbound.Refusal {
	code := codeOf(body)
	return outbound.Refusal{Own: code != "", Code: code, Classify: func(e *Error) {
		switch {
		case e.Kind == RateLimited:
		case e.Status == http.StatusNotFound:
			e.Kind = NotFound
		default:
			e.Kind = Refused
		}
	}}
}

// codeOf returns the first code of an error body as Clerk writes it, or "".
func codeOf(body []byte) string {
	var wire struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &wire) != nil || len(wire.Errors) == 0 {
		return ""
	}
	code := wire.Errors[0].Code
	if len(code) > codeMax || strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	}) {
		return ""
	}
	return code
}
