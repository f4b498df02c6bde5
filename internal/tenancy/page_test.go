package tenancy_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
)

func TestPageTokenOpensWhereItWasMade(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	first, second := openOne(t, base.AppURL), openOne(t, base.AppURL)
	a := person("org_a")
	for _, position := range []string{"", "x", "0123456789abcdef", strings.Repeat("p", 1000)} {
		for _, filter := range [][]byte{nil, []byte("done=true")} {
			token := first.SealPage(a, "tasks", filter, []byte(position))
			if again := first.SealPage(a, "tasks", filter, []byte(position)); again == token {
				t.Error("the same token twice")
			}
			for _, db := range []*tenancy.DB{first, second} { // two servers of one installation
				got, err := db.OpenPage(a, "tasks", filter, token)
				if err != nil || string(got) != position {
					t.Errorf("got %q, %v, want %q", got, err, position)
				}
			}
		}
	}
	colleague := a
	colleague.User = "another person"
	if _, err := first.OpenPage(colleague, "tasks", nil, first.SealPage(a, "tasks", nil, []byte("p"))); err != nil {
		t.Errorf("a token passed on within the tenant: %v", err)
	}
}

func TestPageTokenOpensNowhereElse(t *testing.T) {
	t.Parallel()
	db := openOne(t, pgtest.New(t).AppURL)
	elsewhere := openOne(t, newInstallation(t).AppURL)
	a, filter, position := person("org_a"), []byte("done=true"), []byte("0123456789abcdef")
	token := db.SealPage(a, "tasks", filter, position)
	if _, err := db.OpenPage(a, "tasks", filter, token); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, on *tenancy.DB, a tenancy.Actor, list string, filter []byte, token string) {
		t.Helper()
		got, err := on.OpenPage(a, list, filter, token)
		if !errors.Is(err, tenancy.PageTokenInvalid) || got != nil {
			t.Errorf("%s: got %q, %v, want PageTokenInvalid", what, got, err)
		}
	}
	refused("another tenant", db, person("org_b"), "tasks", filter, token)
	refused("no tenant", db, tenancy.Actor{}, "tasks", filter, token)
	refused("another list", db, a, "members", filter, token)
	refused("another filter", db, a, "tasks", []byte("done=false"), token)
	refused("no filter", db, a, "tasks", nil, token)
	refused("another installation", elsewhere, a, "tasks", filter, token)
	// The parts of what a token is bound to do not run into each other.
	refused("tenant and list shifted", db, person("org_at"), "asks", filter, token)
	refused("list and filter shifted", db, a, "tasksdone", []byte("=true"), token)

	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	open := func(what string, sealed []byte) {
		t.Helper()
		refused(what, db, a, "tasks", filter, base64.RawURLEncoding.EncodeToString(sealed))
	}
	for i := range sealed {
		for bit := range 8 {
			flipped := slices.Clone(sealed)
			flipped[i] ^= 1 << bit
			open("a bit flipped", flipped)
		}
		open("cut off", sealed[:i])
		open("cut off in front", sealed[i+1:])
	}
	for i := range 256 {
		open("one byte longer", append(slices.Clone(sealed), byte(i)))
	}
	open("twice", append(slices.Clone(sealed), sealed...))

	for what, form := range map[string]string{
		"empty":                "",
		"garbage":              "!!!!",
		"words":                "please",
		"10 KB":                strings.Repeat("A", 10<<10),
		"10 KB behind":         token + strings.Repeat("A", 10<<10),
		"padded":               token + "=",
		"padded twice":         token + "==",
		"a line end behind":    token + "\n",
		"a line end in front":  "\r\n" + token,
		"a line end within":    token[:5] + "\n" + token[5:],
		"a space behind":       token + " ",
		"a zero byte behind":   token + "\x00",
		"not UTF-8":            token + "\xff",
		"a dot behind":         token + ".",
		"a character more":     token + "A",
		"a character less":     token[:len(token)-1],
		"the other alphabet":   otherAlphabet(t, db, a, filter, position),
		"trailing bits set":    trailingBits(t, sealed),
		"standard with padded": base64.StdEncoding.EncodeToString(sealed),
	} {
		refused(what, db, a, "tasks", filter, form)
	}
}

// newInstallation is a database with a sealing key of its own.
func newInstallation(t *testing.T) pgtest.Database {
	t.Helper()
	base := pgtest.New(t)
	runSQL(t, connectAt(t, base.AdminURL), `UPDATE sealing_keys SET key = sha256(key)`)
	return base
}

// otherAlphabet is a token in the alphabet with + and / where that makes a
// difference.
func otherAlphabet(t *testing.T, db *tenancy.DB, a tenancy.Actor, filter, position []byte) string {
	t.Helper()
	for range 1000 {
		token := db.SealPage(a, "tasks", filter, position)
		if other := strings.NewReplacer("-", "+", "_", "/").Replace(token); other != token {
			return other
		}
	}
	t.Fatal("no token with - or _ in it")
	return ""
}

// trailingBits is a second text for the same bytes: the last character says more than
// the bytes need.
func trailingBits(t *testing.T, sealed []byte) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	token := base64.RawURLEncoding.EncodeToString(sealed)
	last := strings.IndexByte(alphabet, token[len(token)-1])
	other := token[:len(token)-1] + alphabet[last+1:last+2]
	if got, err := base64.RawURLEncoding.DecodeString(other); err != nil || !slices.Equal(got, sealed) {
		t.Fatalf("%q does not stand for the same bytes: choose a position of another length", other)
	}
	return other
}
