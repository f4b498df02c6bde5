package sandbox

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
)

const (
	keySize         = 2048              // bits
	algorithm       = "RS256"           // the only one Clerk signs with
	sessionCategory = "cl_B7d4PD111AAA" // Clerk's mark of a session token in the cat header
)

// signingKey is an RSA key and what is published of it.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
	pem     string
}

func newSigningKey() (*signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, keySize)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return &signingKey{
		id:      "ins_" + rand.Text(),
		private: private,
		pem:     string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}

// KeyID is the kid of the key that signs now.
func (s *clerkServer) KeyID() string { return s.signingKey().id }

// PublicKeyPEM is the public half of the key that signs now, as CLERK_JWT_KEY takes it.
func (s *clerkServer) PublicKeyPEM() string { return s.signingKey().pem }

// RotateKey replaces the key and its kid. The old key leaves the key set at once, so tokens signed before can no longer be
// verified through it. On an error the old key stays.
func (s *clerkServer) RotateKey() error {
	key, err := newSigningKey()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
	return nil
}

// JWKSFetches is how often a key set was served, counting both addresses and not counting refused requests.
func (s *clerkServer) JWKSFetches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keySetsServed
}

// Sign makes a token of any claims with the key that signs now; it checks nothing about them. Nil claims are an empty object.
// A nil header is that of a session token: alg, kid, typ and cat. Entries of header are added to it or replace its own, and
// an entry whose value is nil is left out. The algorithm is always RS256: any other alg in header is an error.
func (s *clerkServer) Sign(header, claims map[string]any) (string, error) {
	key := s.signingKey()
	merged := map[string]any{"alg": algorithm, "kid": key.id, "typ": "JWT", "cat": sessionCategory}
	for name, value := range header {
		switch {
		case name == "alg" && value != algorithm:
			return "", fmt.Errorf("sign token: alg %v: only %s can be signed", value, algorithm)
		case value == nil:
			delete(merged, name)
		default:
			merged[name] = value
		}
	}
	if claims == nil {
		claims = map[string]any{}
	}
	first, err := encodePart(merged)
	if err != nil {
		return "", fmt.Errorf("encode token header: %w", err)
	}
	second, err := encodePart(claims)
	if err != nil {
		return "", fmt.Errorf("encode token claims: %w", err)
	}
	input := first + "." + second
	sum := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// jwk is the public half of a key as RFC 7517 and 7518 write it.
type jwk struct {
	Use string `json:"use"`
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	N   string `json:"n"`
	E   string `json:"e"`
}

func (s *clerkServer) serveKeySet(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.keySetsServed++
	key := s.key
	s.mu.Unlock()

	public := key.private.PublicKey
	WriteJSON(w, http.StatusOK, map[string][]jwk{"keys": {{
		Use: "sig", Kty: "RSA", Kid: key.id, Alg: algorithm,
		N: base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}})
}

func (s *clerkServer) signingKey() *signingKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

func encodePart(part map[string]any) (string, error) {
	raw, err := json.Marshal(part)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
