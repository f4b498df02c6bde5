package session

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

const (
	tokenMax        = 8 << 10           // bytes
	sessionCategory = "cl_B7d4PD111AAA" // the `cat` header of a session token
	ignoreCategory  = "cl_I7d4PD111III" // says nothing of the kind: some instances stamp it on every token
)

// bearer returns the token of the one form that is accepted: a single Authorization header
// with the scheme Bearer, spaces, and exactly one token of RFC 9110's token68. The scheme is
// compared without case, as RFC 9110 section 11.1 says.
func bearer(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", errors.New("not exactly one Authorization header")
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", errors.New("the Authorization header is not of the form Bearer TOKEN")
	}
	token = strings.TrimLeft(token, " ")
	if token == "" || len(token) > tokenMax {
		return "", errors.New("the token is empty or too long")
	}
	if !isToken68(token) {
		return "", errors.New("there is more than one token, or a character that no token has")
	}
	return token, nil
}

// isToken68 reports whether s is a token68 of RFC 9110: letters, digits and some signs, then
// padding.
func isToken68(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		switch c := body[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_', c == '~', c == '+', c == '/':
		default:
			return false
		}
	}
	return body != ""
}

// checkForm checks that the token has three segments in canonical base64url and the header of
// a session token, and returns the key id in it.
func checkForm(token string) (keyID string, err error) {
	segments := strings.SplitN(token, ".", 4)
	if len(segments) != 3 {
		return "", errors.New("the token has not three segments")
	}
	var decoded [3][]byte
	for i, segment := range segments {
		if segment == "" || strings.ContainsAny(segment, "\r\n") {
			return "", errors.New("a segment of the token is not base64url")
		}
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(segment); err != nil {
			return "", errors.New("a segment of the token is not base64url")
		}
	}
	var h map[string]json.RawMessage // not a struct: its names would match in any case
	if err := json.Unmarshal(decoded[0], &h); err != nil {
		return "", errors.New("the header cannot be read")
	}
	if algorithm, _ := text(h["alg"]); algorithm != "RS256" {
		return "", errors.New("alg is not RS256")
	}
	if _, ok := h["crit"]; ok {
		return "", errors.New("crit is present")
	}
	if kind, ok := h["typ"]; ok && string(kind) != `"JWT"` {
		return "", errors.New("typ is not JWT")
	}
	if raw, ok := h["cat"]; ok {
		if category, _ := text(raw); category != sessionCategory && category != ignoreCategory {
			return "", errors.New("cat is not a session token's")
		}
	}
	keyID, _ = text(h["kid"])
	return keyID, nil
}
