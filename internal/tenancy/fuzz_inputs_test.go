package tenancy

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
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

// What opens was sealed, for this tenant, list and filter, and nothing else opens.
func FuzzPageToken(f *testing.F) {
	keys := make([]byte, 64) // of this process alone: a token of another one does not open
	_, _ = rand.Read(keys)   // never fails
	sealer, err := newSealer(keys[:32])
	if err != nil {
		f.Fatal(err)
	}
	other, err := newSealer(keys[32:])
	if err != nil {
		f.Fatal(err)
	}
	db, elsewhere := &DB{sealer: sealer}, &DB{sealer: other}
	known := db.SealPage(Actor{Tenant: "org_a"}, "tasks", []byte("*"), []byte("0123456789abcdef"))
	for _, token := range []string{"", "A", "AAAA", known, known + "=", known + "\n", known[1:], known[:len(known)-1], strings.Repeat("A", 54), "\x00", "é"} {
		f.Add("org_a", "tasks", []byte("*"), []byte("0123456789abcdef"), token)
		f.Add("org_b", "tasks", []byte{}, []byte{}, token)
		f.Add("", "", []byte("tasks"), []byte("p"), token)
	}
	f.Fuzz(func(t *testing.T, tenant, list string, filter, position []byte, token string) {
		actor := Actor{Tenant: tenant}
		sealed := db.SealPage(actor, list, filter, position)
		if got, err := db.OpenPage(actor, list, filter, sealed); err != nil || !bytes.Equal(got, position) {
			t.Errorf("%q was sealed, and opened are %q, %v", position, got, err)
		}
		refused := func(what string, on *DB, a Actor, list string, filter []byte, token string) {
			t.Helper()
			got, err := on.OpenPage(a, list, filter, token)
			if !errors.Is(err, PageTokenInvalid) || got != nil {
				t.Errorf("%s: %q, %v; want PageTokenInvalid", what, got, err)
			}
			if err != nil && len(token) > 20 && strings.Contains(err.Error(), token) {
				t.Errorf("%s: the error quotes the token: %v", what, err)
			}
		}
		refused("another tenant", db, Actor{Tenant: tenant + "x"}, list, filter, sealed)
		refused("another list", db, actor, list+"x", filter, sealed)
		refused("another filter", db, actor, list, append(bytes.Clone(filter), 'x'), sealed)
		refused("the parts shifted", db, Actor{Tenant: tenant + "l"}, strings.TrimPrefix(list+"l", "l"), append(bytes.Clone(filter), 'l'), sealed)
		refused("another installation", elsewhere, actor, list, filter, sealed)
		refused("longer", db, actor, list, filter, sealed+"A")
		refused("shorter", db, actor, list, filter, sealed[:len(sealed)-1])
		if token != known || tenant != "org_a" || list != "tasks" || string(filter) != "*" {
			refused("made up", db, actor, list, filter, token)
		}
	})
}
