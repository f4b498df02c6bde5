package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	idMax    = 255 // bytes of an id in a token
	skew     = 5 * time.Second
	lifetime = time.Hour // the longest that a session token may live
)

// claims is the payload of a session token before it is checked. Every member stays raw: a
// customized token may add members in an unexpected shape, which must not lock its owner out.
type claims struct {
	Issuer   json.RawMessage `json:"iss"`
	Subject  json.RawMessage `json:"sub"`
	Session  json.RawMessage `json:"sid"`
	Party    json.RawMessage `json:"azp"`
	Audience json.RawMessage `json:"aud"`
	Expiry   json.RawMessage `json:"exp"`
	Before   json.RawMessage `json:"nbf"`
	Issued   json.RawMessage `json:"iat"`
	Version  json.RawMessage `json:"v"`
	Status   json.RawMessage `json:"sts"`
	ActingAs json.RawMessage `json:"act"`
	Metadata json.RawMessage `json:"org_metadata"`

	// Version 1.
	OrgID          json.RawMessage `json:"org_id"`
	OrgSlug        json.RawMessage `json:"org_slug"`
	OrgRole        json.RawMessage `json:"org_role"`
	OrgPermissions json.RawMessage `json:"org_permissions"`

	// Version 2.
	Features json.RawMessage `json:"fea"`
	Org      json.RawMessage `json:"o"`
}

// rules are what a token must satisfy besides its signature.
type rules struct {
	issuer   string
	parties  []string
	audience string
}

// decide returns the actor that the claims describe, and when the token expires. Its errors
// name the claim, never its value.
func (c *claims) decide(r rules, now time.Time) (tenancy.Actor, time.Time, error) {
	expiry, err := c.checkTimes(now)
	if err != nil {
		return tenancy.Actor{}, time.Time{}, err
	}
	if iss, ok := text(c.Issuer); !ok || iss != r.issuer {
		return tenancy.Actor{}, time.Time{}, errors.New("iss is not the configured issuer")
	}
	if err := c.checkReceiver(r); err != nil {
		return tenancy.Actor{}, time.Time{}, err
	}
	if status, ok := text(c.Status); !absent(c.Status) && (!ok || status != "active") {
		return tenancy.Actor{}, time.Time{}, errors.New("sts is not active")
	}
	var a tenancy.Actor
	var ok bool
	if a.User, ok = text(c.Subject); !ok || !isID(a.User, "user_") {
		return tenancy.Actor{}, time.Time{}, errors.New("sub is not a user")
	}
	if a.Session, ok = text(c.Session); !ok || a.Session == "" || len(a.Session) > idMax {
		return tenancy.Actor{}, time.Time{}, errors.New("sid is missing")
	}
	if a.Impersonator, err = c.impersonator(); err != nil {
		return tenancy.Actor{}, time.Time{}, err
	}
	issued, _ := seconds(c.Issued)
	a.IssuedAt = issued
	if err := c.organization(&a); err != nil {
		return tenancy.Actor{}, time.Time{}, err
	}
	a.Tenant = a.User
	if !a.Personal() {
		a.Tenant = a.Organization.ID
		a.Licensed = licensed(c.Metadata)
	}
	return a, expiry, nil
}

// checkTimes checks exp, iat and, if present, nbf, each with an allowance for clock skew, and
// limits the time between issue and expiry.
func (c *claims) checkTimes(now time.Time) (expiry time.Time, err error) {
	expiry, ok := seconds(c.Expiry)
	if !ok {
		return time.Time{}, errors.New("exp is missing or not a time")
	}
	issued, ok := seconds(c.Issued)
	if !ok {
		return time.Time{}, errors.New("iat is missing or not a time")
	}
	if !absent(c.Before) {
		before, ok := seconds(c.Before)
		if !ok {
			return time.Time{}, errors.New("nbf is not a time")
		}
		if now.Add(skew).Before(before) {
			return time.Time{}, errors.New("nbf is in the future")
		}
	}
	switch {
	case now.Add(-skew).After(expiry):
		return time.Time{}, errors.New("exp is past")
	case now.Add(skew).Before(issued):
		return time.Time{}, errors.New("iat is in the future")
	case expiry.Sub(issued) > lifetime:
		return time.Time{}, errors.New("exp is too long after iat")
	case !expiry.After(issued):
		return time.Time{}, errors.New("exp is not after iat")
	}
	return expiry, nil
}

func (c *claims) checkReceiver(r rules) error {
	if len(r.parties) > 0 {
		if party, ok := text(c.Party); !ok || !slices.Contains(r.parties, party) {
			return errors.New("azp is not an authorized party")
		}
	}
	if r.audience == "" {
		return nil
	}
	if one, ok := text(c.Audience); ok && one == r.audience {
		return nil
	}
	var many []string
	if json.Unmarshal(c.Audience, &many) == nil && slices.Contains(many, r.audience) {
		return nil
	}
	return errors.New("aud does not contain the configured audience")
}

func (c *claims) impersonator() (string, error) {
	if absent(c.ActingAs) {
		return "", nil
	}
	var act struct {
		Subject string `json:"sub"`
	}
	if json.Unmarshal(c.ActingAs, &act) != nil || act.Subject == "" || len(act.Subject) > idMax {
		return "", errors.New("act names nobody")
	}
	return act.Subject, nil
}

// licensed reports whether the membership's metadata, which may have any shape, is an object
// whose isLicensed is true.
func licensed(metadata json.RawMessage) bool {
	var m map[string]json.RawMessage // not a struct: its names would match in any case
	return json.Unmarshal(metadata, &m) == nil && string(m["isLicensed"]) == "true"
}

// absent reports whether the member is missing or null.
func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}

// text returns the JSON string in raw.
func text(raw json.RawMessage) (string, bool) {
	if absent(raw) {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// seconds reads a NumericDate (RFC 7519): a JSON number of seconds since 1970.
func seconds(raw json.RawMessage) (time.Time, bool) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<40 {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true
}

// isID reports whether s is an id with that prefix: letters, digits, '_' and '-'.
func isID(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || rest == "" || len(s) > idMax {
		return false
	}
	return strings.IndexFunc(rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
}
