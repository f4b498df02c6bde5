// Package token makes Clerk's session tokens: their claims in versions 1 and 2, and the key that signs them.
package token

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
)

const (
	keySize         = 2048              // bits
	algorithm       = "RS256"           // the only one Clerk signs with
	sessionCategory = "cl_B7d4PD111AAA" // Clerk's mark of a session token in the cat header
)

// Key is an RSA key and what is published of it.
type Key struct {
	ID      string
	private *rsa.PrivateKey
	PEM     string
}

// NewKey returns a fresh key.
func NewKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keySize)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return &Key{
		ID:      "ins_" + rand.Text(),
		private: private,
		PEM:     string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}

// Sign signs any claims and checks nothing about them. Nil claims are an empty object. A nil header is that of a session token:
// alg, kid, typ and cat. Entries of header are added to it or replace its own; one whose value is nil is left out. The algorithm
// is always RS256: any other alg in header is an error.
func (key *Key) Sign(header, claims map[string]any) (string, error) {
	merged := map[string]any{"alg": algorithm, "kid": key.ID, "typ": "JWT", "cat": sessionCategory}
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

// KeySet returns the key set of the public half.
func (key *Key) KeySet() map[string][]jwk {
	public := key.private.PublicKey
	return map[string][]jwk{"keys": {{
		Use: "sig", Kty: "RSA", Kid: key.ID, Alg: algorithm,
		N: base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}}
}

func encodePart(part map[string]any) (string, error) {
	raw, err := json.Marshal(part)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
