package sandbox

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// savedAnswers are those of idempotency keys, for 24 hours: https://docs.stripe.com/api/idempotent_requests. The zero value is
// ready.
type savedAnswers struct {
	mu    sync.Mutex
	byKey map[string]*savedAnswer
}

// savedAnswer is what came of the first request with a key.
type savedAnswer struct {
	method, parameters string
	at                 time.Time
	answer             *stripeAnswer // nil while the request is under way
}

// claim takes a key for a request, or answers what came of the first request with it. It refuses other parameters, and a key that
// is being used at the moment.
func (s *savedAnswers) claim(key, method, parameters string, now time.Time) (*savedAnswer, *stripeAnswer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.byKey[key]
	if !ok || was.answer != nil && now.Sub(was.at) >= savedFor {
		if s.byKey == nil {
			s.byKey = map[string]*savedAnswer{}
		}
		mine := &savedAnswer{method: method, parameters: parameters, at: now}
		s.byKey[key] = mine
		return mine, nil, nil
	}
	refused := &stripeRefusal{status: http.StatusBadRequest, kind: kindIdempotency}
	switch {
	case was.method != method:
		refused.words = fmt.Sprintf("Keys for idempotent requests can only be used for the same endpoint they were first used for "+
			"('%s' vs '%s'). Try using a key other than '%s' if you meant to execute a different request.", method, was.method, key)
		return nil, nil, refused
	case was.parameters != parameters:
		refused.words = fmt.Sprintf("Keys for idempotent requests can only be used with the same parameters they were first used with. "+
			"Try using a key other than '%s' if you meant to execute a different request.", key)
		return nil, nil, refused
	case was.answer == nil:
		return nil, nil, &stripeRefusal{
			status: http.StatusConflict, kind: kindInvalid, code: "idempotency_key_in_use",
			words: "There is currently another in-progress request using this Idempotent Key. Please try again later.",
		}
	}
	again := *was.answer
	again.replay = true
	return nil, &again, nil
}

// settle keeps the answer of a claimed key, or gives the key free where there is none.
func (s *savedAnswers) settle(key string, mine *savedAnswer, answer *stripeAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.byKey[key] != mine: // a reset came in between
	case answer == nil:
		delete(s.byKey, key)
	default:
		mine.answer = answer
	}
}

func (s *savedAnswers) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byKey = nil
}
