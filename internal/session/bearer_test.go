package session

import (
	"encoding/base64"
	"testing"
)

// Clerk's SDK refuses some of these as well; here our own rule stands alone.
func TestFormIsCheckedByUs(t *testing.T) {
	t.Parallel()
	encode := base64.RawURLEncoding.EncodeToString
	for _, c := range []struct {
		header, keyID string
		ok            bool
	}{
		{`{"alg":"RS256","kid":"a","typ":"JWT","cat":"cl_B7d4PD111AAA"}`, "a", true},
		{`{"alg":"RS256","kid":"a"}`, "a", true},
		{`{"alg":"RS256"}`, "", true},
		{`{"alg":"RS256","kid":7}`, "", true}, // no key id is no key of a key set
		{`{"alg":"RS256","kid":"a","KID":"b","ALG":"none","x":1}`, "a", true},
		{`{"alg":"none","kid":"a"}`, "", false},
		{`{"alg":"HS256","kid":"a"}`, "", false},
		{`{"alg":"RS512","kid":"a"}`, "", false},
		{`{"alg":"PS256","kid":"a"}`, "", false},
		{`{"alg":"rs256","kid":"a"}`, "", false},
		{`{"alg":"","kid":"a"}`, "", false},
		{`{"alg":null,"kid":"a"}`, "", false},
		{`{"alg":["RS256"],"kid":"a"}`, "", false},
		{`{"ALG":"RS256","kid":"a"}`, "", false},
		{`{"kid":"a"}`, "", false},
		{`{"alg":"RS256","crit":[]}`, "", false},
		{`{"alg":"RS256","crit":null}`, "", false},
		{`{"alg":"RS256","typ":"at+jwt"}`, "", false},
		{`{"alg":"RS256","typ":null}`, "", false},
		{`{"alg":"RS256","cat":"cl_B7d4PD333AAA"}`, "", false},
		{`{"alg":"RS256","cat":null}`, "", false},
		{`{}`, "", false},
		{`null`, "", false},
		{`[]`, "", false},
		{`"RS256"`, "", false},
		{`{"alg":"RS256"`, "", false},
		{`{"alg":"RS256"}{}`, "", false},
	} {
		keyID, err := checkForm(encode([]byte(c.header)) + ".e30.AAAA")
		if (err == nil) != c.ok || keyID != c.keyID {
			t.Errorf("%s: got %q, %v; want %q, accepted %v", c.header, keyID, err, c.keyID, c.ok)
		}
	}
}
