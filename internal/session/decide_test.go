package session

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

var (
	decideNow   = time.Unix(1_800_000_000, 0)
	decideRules = rules{issuer: "https://clerk.test", parties: []string{"https://app.test"}, audience: "api"}
)

// decided is what claims.decide says of a good payload with changed members. Clerk's SDK looks at some of the same claims
// first; here our own rules stand alone.
func decided(t *testing.T, change map[string]string) error {
	t.Helper()
	members := map[string]json.RawMessage{
		"iss": json.RawMessage(`"https://clerk.test"`), "azp": json.RawMessage(`"https://app.test"`), "aud": json.RawMessage(`"api"`),
		"sub": json.RawMessage(`"user_alice"`), "sid": json.RawMessage(`"sess_alice"`), "sts": json.RawMessage(`"active"`),
		"exp": json.RawMessage(`1800000060`), "nbf": json.RawMessage(`1799999990`), "iat": json.RawMessage(`1800000000`),
		"v": json.RawMessage(`2`), "fea": json.RawMessage(`"o:tasks"`),
		"o": json.RawMessage(`{"id":"org_acme","slg":"acme","rol":"member","per":"view","fpm":"1"}`),
	}
	for name, value := range change {
		members[name] = json.RawMessage(value)
		if value == "" {
			delete(members, name)
		}
	}
	payload, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	actor, expiry, err := c.decide(decideRules, decideNow)
	if err != nil && (actor != tenancy.Actor{} || !expiry.IsZero()) {
		t.Errorf("%v: refused, and yet there is %v until %v", change, actor, expiry)
	}
	if err == nil && (actor.User == "" || actor.Tenant == "" || expiry.IsZero()) {
		t.Errorf("%v: accepted without a user, a tenant or an expiry: %v, %v", change, actor, expiry)
	}
	return err
}

// Each rule refuses by itself, and names the claim but never its value.
func TestEveryClaimIsCheckedByUs(t *testing.T) {
	t.Parallel()
	if err := decided(t, nil); err != nil {
		t.Fatalf("as usual: %v", err)
	}
	for claim, values := range map[string][]string{
		"iss": {``, `null`, `""`, `"https://clerk.test/"`, `"https://CLERK.test"`, `"https://clerk.evil"`, `["https://clerk.test"]`, `7`},
		"azp": {``, `null`, `""`, `"https://app.test."`, `"https://app.test:443"`, `["https://app.test"]`, `7`},
		"aud": {``, `null`, `""`, `"apis"`, `[]`, `["other"]`, `["api",7]`, `{"api":1}`, `7`},
		"sub": {``, `null`, `""`, `"user_"`, `"alice"`, `["user_alice"]`, `7`, `"user_` + strings.Repeat("x", 251) + `"`},
		"sid": {``, `null`, `""`, `["sess_alice"]`, `7`, `"` + strings.Repeat("x", 256) + `"`},
		"sts": {`""`, `"pending"`, `"Active"`, `["active"]`, `true`},
		"exp": {``, `null`, `"1800000060"`, `-1`, `1e300`, `1e999`, `true`, `[]`, `1799999994`, `1800003601`, `1799999999`, `1800000000`},
		"nbf": {`"1800000000"`, `-1`, `1e300`, `true`, `[]`, `1800000006`, `1800000005.5`},
		"iat": {``, `null`, `"1800000000"`, `-1`, `1e300`, `true`, `[]`, `1800000006`, `1799996459`, `1800000060`},
		"v":   {`null`, `0`, `3`, `-1`, `"2"`, `2.5`, `1e0`, `true`, `[2]`},
		"o":   {`{}`, `[]`, `7`, `{"id":"org_","rol":"member"}`, `{"id":"org_acme"}`, `{"id":"org_acme","rol":"` + strings.Repeat("x", 256) + `"}`},
		"act": {`{}`, `[]`, `7`, `{"sub":""}`, `{"sub":7}`, `{"sub":"` + strings.Repeat("x", 256) + `"}`},
	} {
		for _, value := range values {
			err := decided(t, map[string]string{claim: value})
			if err == nil {
				t.Errorf("%s %s: accepted", claim, value)
				continue
			}
			if first, _, _ := strings.Cut(err.Error(), " "); first != claim && first != claim+".id" && first != claim+".rol" && (claim != "iat" || first != "exp") {
				t.Errorf("%s %s: the log names another claim: %v", claim, value, err)
			}
			if len(value) > 7 && strings.Contains(err.Error(), strings.Trim(value, `"`)) {
				t.Errorf("%s: the log shows the value: %v", claim, err)
			}
		}
	}
	for claim, values := range map[string][]string{
		"sts": {``, `null`}, "nbf": {``, `null`, `1800000005`, `0`}, "aud": {`["other","api"]`}, "act": {``, `null`, `{"sub":"user_root"}`},
		"exp": {`1800003600`, `1800000000.5`, `1.8000006e9`}, "iat": {`1799996460`, `1800000005`}, "o": {``, `null`}, "fea": {``, `7`, `null`},
		"org_metadata": {`7`, `"x"`, `[]`},
	} {
		for _, value := range values {
			if err := decided(t, map[string]string{claim: value}); err != nil {
				t.Errorf("%s %s: %v", claim, value, err)
			}
		}
	}
}

// The same for version 1, which Clerk's SDK reads for itself as well.
func TestOldClaimsAreCheckedByUs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		id, role, permissions string
		ok                    bool
	}{
		{`"org_acme"`, `"org:member"`, `["org:tasks:view"]`, true},
		{`"org_acme"`, `"org:member"`, `[]`, true},
		{`"org_acme"`, `"org:member"`, ``, true},
		{`"org_acme"`, `"org:member"`, `null`, true},
		{`null`, ``, ``, true},
		{`"org_acme"`, `"org:member"`, `"org:tasks:view"`, false},
		{`"org_acme"`, `"org:member"`, `["org:tasks:view",7]`, false},
		{`"org_acme"`, `"org:member"`, `255`, false},
		{`"org_acme"`, ``, `[]`, false},
		{`"org_acme"`, `""`, `[]`, false},
		{`"org_acme"`, `["org:member"]`, `[]`, false},
		{`"org_acme"`, `"` + strings.Repeat("x", 256) + `"`, `[]`, false},
		{`""`, `"org:member"`, `[]`, false},
		{`"org_"`, `"org:member"`, `[]`, false},
		{`"user_alice"`, `"org:member"`, `[]`, false},
		{`7`, `"org:member"`, `[]`, false},
	} {
		err := decided(t, map[string]string{"v": "", "org_id": c.id, "org_role": c.role, "org_permissions": c.permissions})
		if (err == nil) != c.ok {
			t.Errorf("%s %s %s: %v, want accepted %v", c.id, c.role, c.permissions, err, c.ok)
		}
	}
}

func TestClaimsAreDecidedToTheNanosecond(t *testing.T) {
	t.Parallel()
	c := claims{Expiry: json.RawMessage(`1800000060`), Issued: json.RawMessage(`1800000000`), Before: json.RawMessage(`1800000000`)}
	for _, edge := range []struct {
		at time.Duration
		ok bool
	}{
		{-5*time.Second - 1, false}, {-5 * time.Second, true}, {65 * time.Second, true}, {65*time.Second + 1, false},
	} {
		expiry, err := c.checkTimes(decideNow.Add(edge.at))
		if (err == nil) != edge.ok {
			t.Errorf("at %s: %v, want accepted %v", edge.at, err, edge.ok)
		}
		if want := decideNow.Add(time.Minute); err == nil && !expiry.Equal(want) {
			t.Errorf("the expiry is %s, want %s", expiry, want)
		}
	}
}

func TestIDsAreLettersAndDigits(t *testing.T) {
	t.Parallel()
	for r := range rune(256) {
		want := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') || r == '_' || r == '-'
		if got := isID(fmt.Sprintf("user_%c", r), "user_"); got != want {
			t.Errorf("%q: got %v, want %v", r, got, want)
		}
	}
	for s, want := range map[string]bool{
		"user_" + strings.Repeat("x", 250): true, "user_" + strings.Repeat("x", 251): false, "user_": false, "user": false, "": false,
		"org_x": false, "USER_x": false, "user_\xff": false, "user_ａ": false, "xuser_a": false,
	} {
		if got := isID(s, "user_"); got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
}
