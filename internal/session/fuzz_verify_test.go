package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/session"
)

// Only the one good token is accepted, whatever is made of it.
func FuzzVerify(f *testing.F) {
	s := newStage(f, nil)
	good := s.token(nil)
	parts := strings.Split(good, ".")
	for _, token := range []string{
		good, "", ".", "..", "...", parts[0], parts[0] + "." + parts[1] + ".", good + "=", good + " ", good + ".", "\n" + good,
		"eyJhbGciOiJub25lIn0." + parts[1] + ".", "eyJhbGciOiJSUzI1NiJ9." + parts[1] + "." + parts[2],
		parts[0] + ".e30." + parts[2], parts[0] + ".bnVsbA." + parts[2], "bnVsbA." + parts[1] + "." + parts[2], "W10.W10.W10",
		good[:len(good)-1] + "_", strings.ToLower(good), strings.Repeat("A", 9000), `{"payload":"e30"}`, "é.é.é", "\x00.\x00.\x00",
	} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		actor, err := s.Verify(t.Context(), bearerHeader(token))
		switch {
		case err == nil && (token != good || actor == nil):
			t.Errorf("accepted %q as %v", token, actor)
		case err != nil && token == good:
			t.Errorf("refused the good token: %v", err)
		case err != nil && (actor != nil || !errors.Is(err, session.Unauthenticated)):
			t.Errorf("%q: got %v, %v; want Unauthenticated", token, actor, err)
		}
	})
}
