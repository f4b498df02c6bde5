package stripe

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/api"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// savedResponses are those of idempotency keys, for 24 hours: https://docs.stripe.com/api/idempotent_requests. The zero value is
// ready.
type savedResponses struct {
	mu    sync.Mutex
	byKey map[string]*savedResponse
}

// savedResponse is what came of the first request with a key.
type savedResponse struct {
	method, parameters string
	at                 time.Time
	response           *api.Response // nil while the request is under way
}

// claim takes a key for a request, or returns the response to the first request with it. It refuses other parameters, and a key that// is being used at the moment.
func (s *savedResponses) claim(key, method, parameters string, now time.Time) (*savedResponse, *api.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.byKey[key]
	if !ok || was.response != nil && now.Sub(was.at) >= savedFor {
		if s.byKey == nil {
			s.byKey = map[string]*savedResponse{}
		}
		mine := &savedResponse{method: method, parameters: parameters, at: now}
		s.byKey[key] = mine
		return mine, nil, nil
	}
	refused := &object.Refusal{Status: http.StatusBadRequest, Type: object.TypeIdempotency}
	switch {
	case was.method != method:
		refused.Message = fmt.Sprintf("Keys for idempotent requests can only be used for the same endpoint they were first used for "+
			"('%s' vs '%s'). Try using a key other than '%s' if you meant to execute a different request.", method, was.method, key)
		return nil, nil, refused
	case was.parameters != parameters:
		refused.Message = fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were first used with. "+
			"Try using a key other than '%s' if you meant to execute a different request.", key)
		return nil, nil, refused
	case was.response == nil:
		return nil, nil, &object.Refusal{
			Status: http.StatusConflict, Type: object.TypeInvalidRequest, Code: "idempotency_key_in_use",
			Message: "There is currently another in-progress request using this Idempotent Key. Please try again later.",
		}
	}
	again := *was.response
	again.Replayed = true
	return nil, &again, nil
}

// settle saves the response of a claimed key, or frees the key where there is none.
func (s *savedResponses) settle(key string, mine *savedResponse, response *api.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.byKey[key] != mine: // a reset came in between
	case response == nil:
		delete(s.byKey, key)
	default:
		mine.response = response
	}
}

func (s *savedResponses) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byKey = nil
}
