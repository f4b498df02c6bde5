package session

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// What is taken from the header is what stands behind the scheme, in any case, and spaces.
// What passes for the form of a token can be written in one way alone.
func FuzzBearer(f *testing.F) {
	for _, value := range []string{
		"", "Bearer", "Bearer ", "Bearer x", "bearer x", "BEARER x", "Bearer  x", " Bearer x", "Bearer\tx", "Bearer x ", "Bearer x, Bearer y", "Basic YTpi",
		"Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA", "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAB", "Bearer eyJhbGciOiJSUzI1NiJ9.e31.AAAA", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AAB", "Bearer a.b.c", "Bearer ...",
		"Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer eyJhbGciOiJSUzI1NiJ9.e30.AA\n", "Bearer " + strings.Repeat("a", tokenMax), "Bearer " + strings.Repeat("a", tokenMax+1), "Bearer \x00",
	} {
		f.Add(value, "")
		f.Add(value, "Bearer x")
	}
	f.Fuzz(func(t *testing.T, value, second string) {
		token, err := bearer(http.Header{"Authorization": {value}})
		if err != nil && token != "" {
			t.Errorf("%q: refused, and yet there is a token", value)
		}
		scheme, rest, _ := strings.Cut(value, " ")
		if err == nil && (!strings.EqualFold(scheme, "Bearer") || strings.TrimLeft(rest, " ") != token || token == "" || len(token) > tokenMax) {
			t.Errorf("%q is taken for %q", value, token)
		}
		if err != nil && len(value) > 20 && strings.Contains(err.Error(), value) {
			t.Errorf("the error quotes the header: %v", err)
		}
		if both, err := bearer(http.Header{"Authorization": {value, second}}); err == nil || both != "" {
			t.Errorf("two headers are taken for %q", both)
		}
		if none, err := bearer(http.Header{"X-Authorization": {value}}); err == nil || none != "" {
			t.Errorf("another header is taken for %q", none)
		}
		if token == "" {
			return
		}
		keyID, err := checkForm(token)
		if err != nil {
			if keyID != "" {
				t.Errorf("%q: refused, and yet there is a key id", token)
			}
			return
		}
		segments := strings.Split(token, ".")
		if len(segments) != 3 {
			t.Fatalf("%q has %d segments", token, len(segments))
		}
		for _, segment := range segments {
			decoded, err := base64.RawURLEncoding.DecodeString(segment)
			if err != nil || segment == "" || base64.RawURLEncoding.EncodeToString(decoded) != segment {
				t.Errorf("%q: the segment %q has another spelling", token, segment)
			}
		}
	})
}
