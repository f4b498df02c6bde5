package session_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/teamtask/teamtask/internal/sandbox"
)

func unsigned(string) []byte { return nil }

// signedBy signs with RS256.
func signedBy(t *testing.T, key *rsa.PrivateKey) func(string) []byte {
	t.Helper()
	return func(input string) []byte {
		sum := sha256.Sum256([]byte(input))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Error(err)
		}
		return signature
	}
}

func stranger(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := strangerKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestTokenWithoutSignatureIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	good := s.token(nil)
	for _, algorithm := range []any{"none", "None", "nOnE", "NONE", "", nil, 0, []string{"RS256"}, "RS256", "rs256", " RS256"} {
		header := map[string]any{"alg": algorithm, "kid": s.KeyID(), "typ": "JWT"}
		s.refuse(fmt.Sprintf("alg %v, nothing signed", algorithm), compact(header, payloadOf(good), unsigned))
		if algorithm != "RS256" {
			s.refuse(fmt.Sprintf("alg %v, another signature", algorithm), compact(header, payloadOf(good), func(string) []byte {
				return []byte(strings.Repeat("x", 256))
			}))
		}
	}
	s.accept("signed", good)
}

// What is public is no secret to sign with.
func TestPublicKeyIsNoSecret(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	good := s.token(nil)
	text := s.PublicKeyPEM()
	block, _ := pem.Decode([]byte(text))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	public := parsed.(*rsa.PublicKey)
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/clerk/.well-known/jwks.json", nil))
	for name, secret := range map[string][]byte{
		"PEM":                  []byte(text),
		"PEM without newline":  []byte(strings.TrimSpace(text)),
		"DER":                  block.Bytes,
		"PKCS 1":               x509.MarshalPKCS1PublicKey(public),
		"JWKS":                 w.Body.Bytes(),
		"JWKS without newline": []byte(strings.TrimSpace(w.Body.String())),
		"modulus":              public.N.Bytes(),
		"key id":               []byte(s.KeyID()),
		"nothing":              nil,
	} {
		for _, algorithm := range []string{"HS256", "RS256"} {
			header := map[string]any{"alg": algorithm, "kid": s.KeyID(), "typ": "JWT"}
			s.refuse(algorithm+" with the "+name, compact(header, payloadOf(good), func(input string) []byte {
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(input))
				return mac.Sum(nil)
			}))
		}
	}
	s.accept("RS256 with the private key", good)
}

// A header cannot bring its own key, and nothing is fetched that it names.
func TestAnotherKeyIsRefusedHoweverItIsBrought(t *testing.T) {
	t.Parallel()
	var visits atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(evil.Close)
	key := stranger(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clerk"}, NotAfter: stageStart.AddDate(1, 0, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := sha256.Sum256(certificate)
	jwk := map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "ins_evil",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB",
	}
	for name, s := range map[string]*stage{"PEM": newStage(t, nil), "key set": newFetchingStage(t).stage} {
		good := s.token(nil)
		for what, more := range map[string]map[string]any{
			"nothing":      nil,
			"jwk":          {"jwk": jwk},
			"jku":          {"jku": evil.URL + "/jwks.json"},
			"jku, new kid": {"jku": evil.URL + "/jwks.json", "kid": "ins_evil"},
			"x5u":          {"x5u": evil.URL + "/cert.pem"},
			"x5c":          {"x5c": []string{base64.StdEncoding.EncodeToString(certificate)}},
			"x5t":          {"x5t#S256": base64.RawURLEncoding.EncodeToString(fingerprint[:])},
			"all of it": {
				"jwk": jwk, "jku": evil.URL, "x5u": evil.URL, "kid": "ins_evil",
				"x5c": []string{base64.StdEncoding.EncodeToString(certificate)},
			},
		} {
			header := map[string]any{"alg": "RS256", "kid": s.KeyID(), "typ": "JWT"}
			maps.Copy(header, more)
			s.refuse(name+", another key, "+what, compact(header, payloadOf(good), signedBy(t, key)))
		}
		s.accept(name, good)
	}
	if got := visits.Load(); got != 0 {
		t.Errorf("%d requests went to addresses from headers, want none", got)
	}
}

// Neither header nor payload can be changed after signing.
func TestSignatureCoversHeaderAndPayload(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	good, other := s.token(nil), s.with("sub", "user_dana")
	first, second := strings.Split(good, "."), strings.Split(other, ".")
	s.refuse("payload of another", strings.Join([]string{first[0], second[1], first[2]}, "."))
	s.refuse("signature of another", strings.Join([]string{first[0], first[1], second[2]}, "."))
	header := map[string]any{"alg": "RS256", "kid": s.KeyID(), "typ": "JWT", "cat": "cl_B7d4PD111AAA", "more": 1}
	raw, _ := base64.RawURLEncoding.DecodeString(first[2])
	s.refuse("another header", compact(header, first[1], func(string) []byte { return raw }))
	header["b64"] = false
	s.refuse("payload not encoded", compact(header, first[1], func(string) []byte { return raw }))
	s.accept("unchanged", good)
	s.accept("the other", other)
}

// The same issuer and key id, but the key of another instance.
func TestKeyOfAnotherInstanceIsRefused(t *testing.T) {
	t.Parallel()
	production := newFetchingStage(t)
	staging, err := sandbox.New(sandbox.Options{BaseURL: "http://staging.test", Now: production.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := staging.Claims(sandbox.TokenRequest{User: "alice", Org: "d2-gamers"})
	if err != nil {
		t.Fatal(err)
	}
	claims["iss"] = production.Issuer()
	for name, id := range map[string]string{"its own kid": staging.KeyID(), "the kid of production": production.KeyID()} {
		token, err := staging.Sign(map[string]any{"kid": id}, claims)
		if err != nil {
			t.Fatal(err)
		}
		production.refuse(name, token)
	}
	production.accept("production", production.sign(nil, claims))
}

func TestNoBitOfTheSignatureMayChange(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	good := s.token(nil)
	dot := strings.LastIndex(good, ".") + 1
	signature, err := base64.RawURLEncoding.DecodeString(good[dot:])
	if err != nil || len(signature) != 2048/8 {
		t.Fatalf("the signature has %d bytes (%v), want 256", len(signature), err)
	}
	for bit := range 2048 {
		signature[bit/8] ^= 1 << (bit % 8)
		s.refuse(fmt.Sprintf("bit %d", bit), good[:dot]+base64.RawURLEncoding.EncodeToString(signature))
		signature[bit/8] ^= 1 << (bit % 8)
	}
	for _, n := range []int{1, 2, 127, 128, 254, 255} {
		s.refuse(fmt.Sprintf("%d bytes", n), good[:dot]+base64.RawURLEncoding.EncodeToString(signature[:n]))
	}
	s.refuse("a zero byte before", good[:dot]+base64.RawURLEncoding.EncodeToString(append([]byte{0}, signature...)))
	s.refuse("a zero byte behind", good[:dot]+base64.RawURLEncoding.EncodeToString(append(signature[:256:256], 0)))
	for n := range len(good) {
		s.refuse(fmt.Sprintf("the first %d characters", n), good[:n])
	}
	s.accept("unchanged", good)
}

// One token has one spelling, else it would be cached many times over.
func TestOneTokenHasOneSpelling(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	good := s.token(nil)
	parts := strings.Split(good, ".")
	// 256 bytes are 341 characters and 2 bits, so the last character of a signature has 4 bits to spare.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	at := strings.IndexByte(alphabet, good[len(good)-1])
	for spare := 1; spare < 16; spare++ {
		s.refuse(fmt.Sprintf("spare bits %04b", spare), good[:len(good)-1]+string(alphabet[at+spare]))
	}
	for i := range parts {
		for name, spell := range map[string]func(string) string{
			"padding":               func(p string) string { return p + strings.Repeat("=", 4-len(p)%4) },
			"one =":                 func(p string) string { return p + "=" },
			"space before":          func(p string) string { return " " + p },
			"space behind":          func(p string) string { return p + " " },
			"space inside":          func(p string) string { return p[:8] + " " + p[8:] },
			"tab inside":            func(p string) string { return p[:8] + "\t" + p[8:] },
			"LF inside":             func(p string) string { return p[:8] + "\n" + p[8:] },
			"CR inside":             func(p string) string { return p[:8] + "\r" + p[8:] },
			"CR LF inside":          func(p string) string { return p[:8] + "\r\n" + p[8:] },
			"LF behind":             func(p string) string { return p + "\n" },
			"NUL behind":            func(p string) string { return p + "\x00" },
			"no-break space inside": func(p string) string { return p[:8] + "\u00a0" + p[8:] },
			"percent encoding":      func(p string) string { return fmt.Sprintf("%%%02X", p[0]) + p[1:] },
			"nothing":               func(string) string { return "" },
		} {
			spelled := []string{parts[0], parts[1], parts[2]}
			if i == 0 && name == "space before" {
				continue // it is the scheme's: any number of spaces may follow it
			}
			spelled[i] = spell(parts[i])
			s.refuse(fmt.Sprintf("segment %d with %s", i, name), strings.Join(spelled, "."))
		}
	}
	s.accept("as it was made", good)
	if got, _ := s.CacheSize(); got != 1 {
		t.Errorf("%d spellings are cached, want 1", got)
	}
}

// The characters + and / of the other one stand for the same bits.
func TestOtherAlphabetIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	tried := 0
	for n := 0; tried < 3; n++ {
		good := s.with("jti", fmt.Sprintf("%020x?>?>", n))
		if other := strings.NewReplacer("-", "+", "_", "/").Replace(good); other != good {
			s.refuse("with + and /", other)
			s.accept("with - and _", good)
			tried++
		}
	}
}

// The number of segments.
func TestOnlyThreeSegmentsAreAToken(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	good := s.token(nil)
	parts := strings.Split(good, ".")
	claims, err := s.Claims(sandbox.TokenRequest{User: "alice", Org: "d2-gamers"})
	if err != nil {
		t.Fatal(err)
	}
	full, err := json.Marshal(map[string]any{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"one segment":     parts[0],
		"two segments":    parts[0] + "." + parts[1],
		"no signature":    parts[0] + "." + parts[1] + ".",
		"no payload":      parts[0] + ".." + parts[2],
		"four segments":   good + "." + parts[2],
		"a dot behind":    good + ".",
		"a dot before":    "." + good,
		"two dots":        "..",
		"8,000 dots":      strings.Repeat(".", 8000),
		"encrypted":       "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ",
		"encrypted, ours": strings.Join([]string{parts[0], parts[1], parts[1], parts[1], parts[2]}, "."),
		"JSON form":       string(full),
		"the claims":      string(plain),
		"the text null":   "null",
		"two tokens":      good + "." + good,
	} {
		s.refuse(name, token)
	}
	s.accept("three segments", good)
}
