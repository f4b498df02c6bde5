package session_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/session"
)

func TestOnlyAnRSAPublicKeyIsTaken(t *testing.T) {
	t.Parallel()
	key := stranger(t)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2046, 1), E: 65537} // 2,047 bits
	good := encodePEM(t, "PUBLIC KEY", &key.PublicKey)
	for name, text := range map[string]string{
		"nothing":               "",
		"no PEM":                "a key",
		"the header alone":      "-----BEGIN PUBLIC KEY-----",
		"cut off":               good[:len(good)/2],
		"not base64":            "-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----\n",
		"no DER":                string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("a key")})),
		"no bytes":              string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"})),
		"PKCS 1":                string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&key.PublicKey)})),
		"a private key":         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"called a certificate":  encodePEM(t, "CERTIFICATE", &key.PublicKey),
		"an elliptic curve key": encodePEM(t, "PUBLIC KEY", &curve.PublicKey),
		"an Edwards key":        encodePEM(t, "PUBLIC KEY", edwards),
		"2,047 bits":            encodePEM(t, "PUBLIC KEY", small),
	} {
		keys, err := session.KeysFromPEM(text)
		if keys != nil || err == nil {
			t.Errorf("%s: got %v, %v; want an error", name, keys, err)
			continue
		}
		if body := strings.Split(text, "\n"); len(body) > 1 && strings.Contains(err.Error(), body[1]) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	if keys, err := session.KeysFromPEM(good); keys == nil || err != nil {
		t.Errorf("an RSA key of 2,048 bits: got %v, %v", keys, err)
	}
}

func encodePEM(t *testing.T, kind string, public any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
