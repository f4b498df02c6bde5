package session_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/session"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Whatever a properly signed payload holds, an actor comes out of it only if the claims,
// read by their exact names, say so.
func FuzzClaims(f *testing.F) {
	key, err := strangerKey()
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	keys, err := session.KeysFromPEM(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	if err != nil {
		f.Fatal(err)
	}
	const issuer, audience = "https://clerk.test", "api"
	now := stageStart
	verifier := session.NewVerifier(keys, session.Verification{
		Issuer: issuer, Parties: []string{stageParty}, Audience: audience, Now: func() time.Time { return now },
	})
	good := `{"iss":"https://clerk.test","azp":"` + stageParty + `","aud":"api","sub":"user_alice","sid":"sess_1","exp":` + secondsOf(now.Add(time.Minute)) +
		`,"iat":` + secondsOf(now) + `,"nbf":` + secondsOf(now) + `,"sts":"active","v":2,"fea":"o:tasks","o":{"id":"org_a","slg":"a","rol":"member","per":"view","fpm":"1"}}`
	for _, payload := range []string{
		good, "{}", "null", "[]", `""`, "7", "", "{", good + good, good + " ", " " + good,
		strings.Replace(good, `"v":2`, `"v":1,"org_id":"org_a","org_role":"org:member","org_permissions":["org:tasks:view"]`, 1),
		strings.Replace(good, `"v":2,`, ``, 1), strings.Replace(good, `"v":2`, `"v":3`, 1),
		strings.Replace(good, stageParty, "https://evil.test", 1), strings.Replace(good, issuer, issuer+"/", 1), strings.Replace(good, `"sid":"sess_1",`, "", 1),
		strings.Replace(good, `"sub"`, `"SUB"`, 1), strings.Replace(good, `{"iss"`, `{"sub":"user_eve","iss"`, 1), strings.Replace(good, `"o":{`, `"O":{"id":"org_b","rol":"admin"},"o":{`, 1),
		strings.Replace(good, `"sts":"active"`, `"sts":"pending"`, 1), strings.Replace(good, `"sts":"active"`, `"act":{"sub":"user_eve"}`, 1),
		strings.Replace(good, `"exp":`, `"exp":1`, 1), strings.Replace(good, `"iat":`, `"iat":-`, 1), strings.Replace(good, `"org_a"`, `"org_' OR 1=1"`, 1),
		strings.Replace(good, `"aud":"api"`, `"aud":["x","api"]`, 1), strings.Replace(good, `user_alice`, `user_\u0061lice`, 1), strings.Replace(good, `user_alice`, "user_\xff", 1),
	} {
		f.Add([]byte(payload))
	}
	if _, err := verifier.Verify(f.Context(), bearerHeader(signedPayload(f, []byte(good)))); err != nil {
		f.Fatalf("the good payload is refused: %v", err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 4<<10 {
			return // longer than a token may be
		}
		token := signedPayload(t, payload)
		actor, err := verifier.Verify(t.Context(), bearerHeader(token))
		if err != nil {
			if actor != nil {
				t.Errorf("%q: refused, and yet there is %v", payload, actor)
			}
			if words := publicWords(err); words != "a valid session token is required" && words != "acting as somebody else is not allowed here" {
				t.Errorf("%q: the caller is told %q", payload, words)
			}
			return
		}
		var claims map[string]any // its names are exact
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatalf("%q is no object, and is accepted as %v", payload, actor)
		}
		seconds := float64(now.Unix())
		exp, _ := claims["exp"].(float64)
		iat, _ := claims["iat"].(float64)
		status, hasStatus := claims["sts"]
		switch {
		case claims["iss"] != issuer, claims["azp"] != stageParty, claims["sub"] != actor.User, !strings.HasPrefix(actor.User, "user_"), claims["sid"] != actor.Session,
			actor.Session == "", exp < seconds-5, iat > seconds+5, exp-iat > 3600, math.IsNaN(exp), hasStatus && status != nil && status != "active",
			claims["act"] != nil, actor.Impersonator != "":
			t.Errorf("%q is accepted as %+v", payload, actor)
		}
		organization, _ := claims["org_id"].(string)
		if v, ok := claims["v"]; ok && v == 2.0 {
			o, _ := claims["o"].(map[string]any)
			organization, _ = o["id"].(string)
		}
		want := organization
		if want == "" {
			want = actor.User
		}
		if actor.Organization.ID != organization || actor.Tenant != want {
			t.Errorf("%q: the tenant is %q of %+v, want %q", payload, actor.Tenant, actor.Organization, want)
		}
		if actor.Permissions&^tenancy.AllPermissions != 0 || (actor.Personal() && actor.Permissions != 0) {
			t.Errorf("%q: permissions %b", payload, actor.Permissions)
		}
	})
}

func secondsOf(at time.Time) string {
	text, _ := json.Marshal(at.Unix()) // a number can be written
	return string(text)
}

// signedPayload is a token of the bytes, as they are, under a signature that is right.
func signedPayload(tb testing.TB, payload []byte) string {
	tb.Helper()
	key, err := strangerKey()
	if err != nil {
		tb.Fatal(err)
	}
	return compact(map[string]any{"alg": "RS256", "typ": "JWT"}, base64.RawURLEncoding.EncodeToString(payload), func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			tb.Error(err)
		}
		return signature
	})
}
