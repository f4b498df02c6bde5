package tenancy

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

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
