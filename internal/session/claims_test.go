package session_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/session"
)

// number is a JSON number written as it stands.
func number(text string) json.RawMessage { return json.RawMessage(text) }

// The clock stands at second 0; iat is 0 and exp is 60 unless said otherwise.
func TestTimesAreCheckedToTheSecond(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	now := stageStart.Unix()
	at := func(offset int64) any { return now + offset }
	for _, c := range []struct {
		name          string
		exp, nbf, iat any // nil: left out
		ok            bool
	}{
		{"as usual", at(60), at(-10), at(0), true},

		{"exp is now", at(0), at(-60), at(-60), true},
		{"exp 5 s ago", at(-5), at(-60), at(-60), true},
		{"exp 6 s ago", at(-6), at(-60), at(-60), false},
		{"exp a year ago", at(-31536000), at(-31536060), at(-31536060), false},
		{"exp missing", nil, at(-10), at(0), false},
		{"exp null", number("null"), at(-10), at(0), false},
		{"exp a string", fmt.Sprint(now + 60), at(-10), at(0), false},
		{"exp empty", "", at(-10), at(0), false},
		{"exp true", true, at(-10), at(0), false},
		{"exp an object", map[string]any{}, at(-10), at(0), false},
		{"exp a list", []any{at(60)}, at(-10), at(0), false},
		{"exp 0", 0, nil, at(0), false},
		{"exp negative", -1, nil, at(0), false},
		{"exp 1e300", number("1e300"), at(-10), at(0), false},
		{"exp 1e999", number("1e999"), at(-10), at(0), false},
		{"exp in 2^40 s", number("1099511627776"), at(-10), at(0), false},
		{"exp in 2^63 s", number("9223372036854775808"), at(-10), at(0), false},
		{"exp with a fraction", number(fmt.Sprintf("%d.5", now+60)), at(-10), at(0), true},
		{"exp in milliseconds", (now + 60) * 1000, at(-10), at(0), false},

		{"nbf is now", at(60), at(0), at(0), true},
		{"nbf in 5 s", at(60), at(5), at(0), true},
		{"nbf in 6 s", at(60), at(6), at(0), false},
		{"nbf missing", at(60), nil, at(0), true},
		{"nbf null", at(60), number("null"), at(0), true},
		{"nbf a string", at(60), fmt.Sprint(now), at(0), false},
		{"nbf empty", at(60), "", at(0), false},
		{"nbf true", at(60), true, at(0), false},
		{"nbf negative", at(60), -1, at(0), false},
		{"nbf 1e300", at(60), number("1e300"), at(0), false},
		{"nbf with a fraction", at(60), number(fmt.Sprintf("%d.25", now)), at(0), true},

		{"iat in 5 s", at(60), at(-10), at(5), true},
		{"iat in 6 s", at(66), at(-10), at(6), false},
		{"iat missing", at(60), at(-10), nil, false},
		{"iat null", at(60), at(-10), number("null"), false},
		{"iat a string", at(60), at(-10), fmt.Sprint(now), false},
		{"iat false", at(60), at(-10), false, false},
		{"iat negative", at(60), at(-10), -1, false},
		{"iat 0", at(60), at(-10), 0, false},
		{"iat 1e300", at(60), at(-10), number("1e300"), false},
		{"iat with a fraction", at(60), at(-10), number(fmt.Sprintf("%d.75", now-1)), true},

		{"lives an hour", at(3600), at(-10), at(0), true},
		{"lives an hour and a second", at(3601), at(-10), at(0), false},
		{"lives an hour and a second, half of it gone", at(1800), at(-1801), at(-1801), false},
		{"lives a day", at(86400), at(-10), at(0), false},
		{"ends as it begins", at(0), at(-10), at(0), false},
		{"ends before it begins", at(1), at(-10), at(3), false},
	} {
		token := s.token(func(claims map[string]any) {
			for name, value := range map[string]any{"exp": c.exp, "nbf": c.nbf, "iat": c.iat} {
				claims[name] = value
				if value == nil {
					delete(claims, name)
				}
			}
		})
		if c.ok {
			s.accept(c.name, token)
		} else {
			s.refuse(c.name, token)
		}
	}
}

// claimCase is a claim in one shape and whether a token with it is accepted.
type claimCase struct {
	value any // nil: left out
	ok    bool
}

func (s *stage) checkClaim(name string, cases []claimCase) {
	s.Helper()
	for _, c := range cases {
		what := fmt.Sprintf("%s %#v", name, c.value)
		if c.ok {
			s.accept(what, s.with(name, c.value))
		} else {
			s.refuse(what, s.with(name, c.value))
		}
	}
}

func TestIssuerIsExact(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	iss := s.Issuer()
	s.checkClaim("iss", []claimCase{
		{iss, true},
		{nil, false}, {number("null"), false}, {"", false}, {7, false}, {[]string{iss}, false}, {map[string]any{"": iss}, false},
		{iss + "/", false}, {iss[:len(iss)-1], false}, {strings.ToUpper(iss), false}, {" " + iss, false}, {iss + "\x00", false},
		{iss + ".evil.test", false}, {iss + "?", false}, {strings.Replace(iss, "http:", "https:", 1), false},
		{strings.Replace(iss, ".test", ".test:80", 1), false},
		{"https://clerk.evil.test", false}, {"https://clerk.", false}, {"https://x.clerk.accounts.dev", false},
		{"http://x.clerk.accounts.evil.test", false}, {iss + ".clerk.accounts", false}, {".clerk.accounts", false},
	})
}

// An empty setting is no wildcard.
func TestEmptyIssuerAcceptsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(v *session.Verification) { v.Issuer = "" })
	s.refuse("usual", s.token(nil))
	s.refuse("none", s.with("iss", nil))
	s.refuse("null", s.with("iss", number("null")))
}

func TestPartyIsExactWherePartiesAreConfigured(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(v *session.Verification) { v.Parties = []string{"https://other.teamtask.test", stageParty} })
	s.checkClaim("azp", []claimCase{
		{stageParty, true}, {"https://other.teamtask.test", true},
		{nil, false}, {number("null"), false}, {"", false}, {7, false}, {true, false},
		{[]string{stageParty}, false}, {map[string]any{"azp": stageParty}, false},
		{stageParty + ".", false}, {stageParty + "/", false}, {stageParty + ":443", false}, {stageParty[:len(stageParty)-1], false},
		{"https://evil.test", false}, {"https://evil.test/" + stageParty, false}, {stageParty + ".evil.test", false},
		{strings.ToUpper(stageParty), false}, {" " + stageParty, false}, {strings.TrimPrefix(stageParty, "https://"), false},
		{stageParty + ",https://other.teamtask.test", false}, {"null", false},
	})
	newStage(t, nil).checkClaim("azp", []claimCase{{stageParty, true}, {"https://evil.test", true}, {"", true}, {nil, true}})
}

func TestAudienceIsAskedForWhereConfigured(t *testing.T) {
	t.Parallel()
	const audience = "https://api.teamtask.test"
	s := newStage(t, func(v *session.Verification) { v.Audience = audience })
	s.checkClaim("aud", []claimCase{
		{audience, true}, {[]string{audience}, true}, {[]string{"other", audience}, true}, {[]string{audience, audience}, true},
		{nil, false}, {number("null"), false}, {"", false}, {"other", false}, {[]string{}, false}, {[]string{"other"}, false},
		{[]string{""}, false}, {[]any{nil}, false}, {[]any{audience, 7}, false}, {[]any{[]string{audience}}, false}, {7, false}, {true, false},
		{map[string]any{"aud": audience}, false}, {audience + "/", false}, {"x" + audience, false}, {audience + ",other", false},
		{strings.ToUpper(audience), false}, {[]string{audience + " "}, false},
	})
	newStage(t, nil).checkClaim("aud", []claimCase{{nil, true}, {audience, true}, {"other", true}, {[]string{"other"}, true}, {[]string{}, true}})
}

func TestPendingSessionIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.checkClaim("sts", []claimCase{
		{"active", true}, {nil, true}, {number("null"), true},
		{"pending", false}, {"", false}, {"Active", false}, {"ACTIVE", false}, {"active ", false}, {"revoked", false},
		{7, false}, {true, false}, {[]string{"active"}, false}, {map[string]any{}, false},
	})
}

// The header of a session token. Names and values are exact.
func TestHeaderIsThatOfASessionToken(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, c := range []struct {
		header map[string]any
		ok     bool
	}{
		{nil, true},
		{map[string]any{"typ": nil}, true},
		{map[string]any{"cat": nil}, true},
		{map[string]any{"typ": nil, "cat": nil, "kid": nil}, true}, // the key is given, whatever the kid
		{map[string]any{"oiat": stageStart.Unix(), "x": "y"}, true},
		{map[string]any{"Typ": "at+jwt", "CAT": "cl_B7d4PD333AAA", "Crit": []string{"x"}}, true}, // other names, so other things

		{map[string]any{"cat": "cl_B7d4PD222AAA"}, false}, // JWT template
		{map[string]any{"cat": "cl_B7d4PD333AAA"}, false}, // machine to machine
		{map[string]any{"cat": "cl_I7d4PD111III"}, true},  // says nothing, as where there is none
		{map[string]any{"cat": "cl_i7d4PD111III"}, false},
		{map[string]any{"cat": "cl_I7d4PD111III "}, false},
		{map[string]any{"cat": []string{"cl_I7d4PD111III"}}, false},
		{map[string]any{"cat": "cl_B7d4PD333AAA", "CAT": "cl_I7d4PD111III"}, false},
		{map[string]any{"cat": "cl_I7d4PD111III", "typ": "at+jwt"}, false},
		{map[string]any{"cat": "cl_I7d4PD111III", "crit": []string{"cat"}}, false},
		{map[string]any{"cat": "cl_B7d4PD111aaa"}, false},
		{map[string]any{"cat": ""}, false},
		{map[string]any{"cat": 7}, false},
		{map[string]any{"cat": number("null")}, false},
		{map[string]any{"cat": []string{"cl_B7d4PD111AAA"}}, false},
		{map[string]any{"cat": "cl_B7d4PD333AAA", "CAT": "cl_B7d4PD111AAA"}, false},
		{map[string]any{"cat": "cl_B7d4PD333AAA", "caT": "cl_B7d4PD111AAA"}, false},

		{map[string]any{"typ": "at+jwt"}, false},
		{map[string]any{"typ": "application/at+jwt"}, false},
		{map[string]any{"typ": "id_token"}, false},
		{map[string]any{"typ": "jwt"}, false},
		{map[string]any{"typ": "JWT "}, false},
		{map[string]any{"typ": "JWE"}, false},
		{map[string]any{"typ": ""}, false},
		{map[string]any{"typ": true}, false},
		{map[string]any{"typ": number("null")}, false},
		{map[string]any{"typ": "at+jwt", "tyP": "JWT"}, false},

		{map[string]any{"crit": []string{"x"}, "x": 1}, false},
		{map[string]any{"crit": []string{"exp"}}, false},
		{map[string]any{"crit": []string{"b64"}, "b64": false}, false},
		{map[string]any{"crit": []string{"b64"}, "b64": true}, false},
		{map[string]any{"crit": []string{}}, false},
		{map[string]any{"crit": number("null")}, false},
		{map[string]any{"crit": "x"}, false},
	} {
		name := fmt.Sprintf("header %v", c.header)
		if token := s.signed(c.header, nil); c.ok {
			s.accept(name, token)
		} else {
			s.refuse(name, token)
		}
	}
}

func TestUserAndSessionMustBeThere(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	long := strings.Repeat("x", 255)
	s.checkClaim("sub", []claimCase{
		{"user_alice", true}, {"user_2aB-_9", true}, {("user_" + long)[:255], true},
		{nil, false}, {number("null"), false}, {"", false}, {7, false}, {true, false}, {[]string{"user_alice"}, false},
		{map[string]any{"sub": "user_alice"}, false}, {"user_", false}, {"alice", false}, {"User_alice", false}, {" user_alice", false},
		{"mch_alice", false}, {"org_d2gamers", false}, {"system:purge", false}, {"user_al ice", false}, {"user_al\x00ice", false},
		{"user_al'ice", false}, {"user_älice", false}, {"user_alice\n", false}, {("user_" + long)[:256], false},
	})
	s.checkClaim("sid", []claimCase{
		{"sess_alice", true}, {"x", true}, {long, true},
		{nil, false}, {number("null"), false}, {"", false}, {7, false}, {true, false}, {[]string{"sess_alice"}, false},
		{map[string]any{"sid": "sess_alice"}, false}, {long + "x", false},
	})
}

// What the same key signs for others is no session.
func TestTokensOfOtherKindsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	now := stageStart.Unix()
	base := map[string]any{"iss": s.Issuer(), "sub": "user_alice", "iat": now, "nbf": now, "exp": now + 60}
	for name, c := range map[string]struct {
		header, more map[string]any
	}{
		"JWT template":          {map[string]any{"cat": "cl_B7d4PD222AAA"}, map[string]any{"aud": "x"}},
		"JWT template, no cat":  {map[string]any{"cat": nil}, map[string]any{"aud": "x"}},
		"machine":               {map[string]any{"cat": "cl_B7d4PD333AAA"}, map[string]any{"sub": "mch_1", "sid": "sess_1"}},
		"machine, no cat":       {map[string]any{"cat": nil}, map[string]any{"sub": "mch_1", "sid": "sess_1"}},
		"OAuth access token":    {map[string]any{"cat": nil, "typ": "at+jwt"}, map[string]any{"client_id": "x", "scope": "openid", "sid": "sess_1"}},
		"OAuth without typ":     {map[string]any{"cat": nil, "typ": nil}, map[string]any{"client_id": "x", "scope": "openid"}},
		"OpenID Connect":        {map[string]any{"cat": nil}, map[string]any{"aud": "x", "nonce": "y", "at_hash": "z"}},
		"nothing but times":     {nil, map[string]any{"sub": nil, "iss": nil}},
		"session of nobody yet": {nil, map[string]any{"sid": "sess_1", "sts": "pending", "v": 2}},
	} {
		claims := maps.Clone(base)
		maps.Copy(claims, c.more)
		s.refuse(name, s.sign(c.header, claims))
	}
	base["sid"] = "sess_1"
	s.accept("a session", s.sign(nil, base))
	s.refuse("no claims", s.sign(nil, nil))
}

// The payload is an object whose names are exact and stand once.
func TestPayloadIsOneObject(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.refuse("EXP for exp", s.token(func(c map[string]any) { c["EXP"] = c["exp"]; delete(c, "exp") }))
	s.refuse("Sub for sub", s.token(func(c map[string]any) { c["Sub"] = c["sub"]; delete(c, "sub") }))
	got := s.accept("other names", s.token(func(c map[string]any) {
		c["Sub"], c["sUB"], c["O"], c["V"], c["SID"], c["ACT"], c["STS"] = "user_dana", "user_dana", "x", 3, "sess_dana", "x", "pending"
	}))
	want := s.accept("as usual", s.token(nil))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims with other names changed the actor (-want +got):\n%s", diff)
	}
}

// The seat flag is a hint, and no metadata locks its owner out.
func TestMetadataMayHaveAnyShape(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	for _, c := range []struct {
		metadata string // "": left out
		licensed bool
	}{
		{`{"isLicensed":true}`, true},
		{` { "other" : [1] , "isLicensed" : true } `, true},
		{`{"isLicensed":false}`, false},
		{`{"isLicensed":null}`, false},
		{`{"isLicensed":"true"}`, false},
		{`{"isLicensed":1}`, false},
		{`{"isLicensed":[true]}`, false},
		{`{"isLicensed":{"isLicensed":true}}`, false},
		{`{"islicensed":true}`, false},
		{`{"isLicensed":false,"ISLICENSED":true}`, false},
		{`{"x":{"isLicensed":true}}`, false},
		{`{}`, false}, {`null`, false}, {`""`, false}, {`"{{organization_membership.public_metadata}}"`, false},
		{`"{\"isLicensed\":true}"`, false}, {`true`, false}, {`1`, false}, {`1e999`, false}, {`[]`, false},
		{`[{"isLicensed":true}]`, false}, {``, false},
	} {
		for version := 1; version <= 2; version++ {
			claims, err := s.Claims(sandbox.TokenRequest{User: "alice", Org: "d2-gamers", Version: version})
			if err != nil {
				t.Fatal(err)
			}
			claims["org_metadata"] = number(c.metadata)
			if c.metadata == "" {
				delete(claims, "org_metadata")
			}
			if got := s.accept(c.metadata, s.sign(nil, claims)).Licensed; got != c.licensed {
				t.Errorf("version %d, %s: licensed = %v, want %v", version, c.metadata, got, c.licensed)
			}
		}
	}
}
