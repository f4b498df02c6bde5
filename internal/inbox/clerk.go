package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	svixID        = "Svix-Id"
	svixTimestamp = "Svix-Timestamp"
	svixSignature = "Svix-Signature"

	tolerance = 300 // seconds between the signature and now, in both directions
	secretMin = 16  // bytes
)

var errSecret = errors.New("a webhook secret is missing or malformed: want whsec_ and at least 16 bytes in base64")

// clerkKinds are the events that Clerk documents for people and organizations.
var clerkKinds = []string{
	"user.created", "user.updated", "user.deleted",
	"organization.created", "organization.updated", "organization.deleted",
	"organizationMembership.created", "organizationMembership.updated", "organizationMembership.deleted",
	"organizationInvitation.created", "organizationInvitation.accepted", "organizationInvitation.revoked",
}

// NewClerk is Clerk, which signs by Svix's scheme (docs.svix.com/receiving/verifying-payloads/how-manual):
// HMAC-SHA256 over id.timestamp.body. A signature by any of the secrets is good, which
// is how one is exchanged for another.
func NewClerk(secrets []string) (Provider, error) {
	keys, err := svixKeys(secrets)
	if err != nil {
		return Provider{}, err
	}
	return Provider{
		Name:  clerkName,
		Kinds: clerkKinds,
		Check: func(now time.Time, h http.Header) error {
			_, err := readSvix(now, h)
			return err
		},
		Verify: func(now time.Time, h http.Header, body []byte) error {
			return verifySvix(keys, now, h, body)
		},
		Read: readClerk,
	}, nil
}

func svixKeys(secrets []string) ([][]byte, error) {
	if len(secrets) == 0 {
		return nil, errSecret
	}
	keys := make([][]byte, 0, len(secrets))
	for _, secret := range secrets {
		text, ok := strings.CutPrefix(secret, "whsec_")
		key, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil || len(key) < secretMin {
			return nil, errSecret
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// svixHeaders are the headers of a signed request, read.
type svixHeaders struct {
	id, timestamp string
	signatures    [][]byte
}

// readSvix reads the headers. It refuses what is malformed, and what was not signed about
// now.
func readSvix(now time.Time, h http.Header) (svixHeaders, error) {
	id, timestamp, header := only(h, svixID), only(h, svixTimestamp), only(h, svixSignature)
	// A dot in the id could move the border between the signed parts.
	if word(id) == "" || strings.Contains(id, ".") || len(header) > headerMax {
		return svixHeaders{}, CauseHeaders
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 40)
	if err != nil || timestamp[0] == '+' {
		return svixHeaders{}, CauseHeaders
	}
	signatures, err := svixSignatures(header)
	if err != nil {
		return svixHeaders{}, err
	}
	if age := now.Unix() - int64(seconds); age > tolerance || age < -tolerance {
		return svixHeaders{}, CauseTime
	}
	return svixHeaders{id: id, timestamp: timestamp, signatures: signatures}, nil
}

// verifySvix looks at the headers first, which costs nothing, and then at every
// signature with every key, however early one fits.
func verifySvix(keys [][]byte, now time.Time, h http.Header, body []byte) error {
	read, err := readSvix(now, h)
	if err != nil {
		return err
	}
	return matched(keys, read.signatures, read.id+"."+read.timestamp+".", body)
}

// matched reports with CauseSignature that none of the signatures is the HMAC-SHA256 of
// prefix and body by one of the keys.
func matched(keys, signatures [][]byte, prefix string, body []byte) error {
	good := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(prefix))
		mac.Write(body)
		want := mac.Sum(nil)
		for _, signature := range signatures {
			if hmac.Equal(signature, want) {
				good = true
			}
		}
	}
	if !good {
		return CauseSignature
	}
	return nil
}

// svixSignatures are the decoded signatures of version 1. Other versions are passed
// over, as Svix asks for.
func svixSignatures(header string) ([][]byte, error) {
	var all [][]byte
	entries := strings.Split(header, " ")
	if len(entries) > signatories {
		return nil, CauseHeaders
	}
	for _, entry := range entries {
		version, text, ok := strings.Cut(entry, ",")
		if !ok {
			return nil, CauseHeaders
		}
		if version != "v1" {
			continue
		}
		signature, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(signature) != sha256.Size {
			return nil, CauseHeaders
		}
		all = append(all, signature)
	}
	if len(all) == 0 {
		return nil, CauseHeaders
	}
	return all, nil
}

// only is the value of a header that is there once, or "".
func only(h http.Header, name string) string {
	if values := h[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// readClerk reads the envelope, tolerant of everything but its own two fields. The id
// is in the header: the body has none.
func readClerk(h http.Header, body []byte) Envelope {
	e := Envelope{ID: only(h, svixID)}
	var envelope struct {
		Type       any `json:"type"`
		InstanceID any `json:"instance_id"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return e
	}
	e.Kind, _ = envelope.Type.(string)
	e.Instance, _ = envelope.InstanceID.(string)
	e.Thing = clerkThing(e.Kind, body)
	if e.Kind == "user.deleted" {
		e.Gone = e.Thing.Person
	}
	return e
}
