package tenancy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	idMax    = 255 // bytes of an id in a token
	skew     = 5 * time.Second
	lifetime = time.Hour // the longest that a session token may live
)

// claims is the whole payload of a session token, nothing decided yet. Every
// member stays raw: what a customised token adds in another shape than expected
// must not lock its owner out, and what must be right is checked here.
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

// rules are what a token must satisfy beside its signature.
type rules struct {
	issuer   string
	parties  []string
	audience string
}

// decide answers the actor that the claims stand for, and when the token expires.
// Its errors name the claim and never its value.
func (c *claims) decide(r rules, now time.Time) (Actor, time.Time, error) {
	expiry, err := c.checkTimes(now)
	if err != nil {
		return Actor{}, time.Time{}, err
	}
	if iss, ok := text(c.Issuer); !ok || iss != r.issuer {
		return Actor{}, time.Time{}, errors.New("iss is not the configured issuer")
	}
	if err := c.checkReceiver(r); err != nil {
		return Actor{}, time.Time{}, err
	}
	if status, ok := text(c.Status); !absent(c.Status) && (!ok || status != "active") {
		return Actor{}, time.Time{}, errors.New("sts is not active")
	}
	var a Actor
	var ok bool
	if a.User, ok = text(c.Subject); !ok || !isID(a.User, "user_") {
		return Actor{}, time.Time{}, errors.New("sub is not a user")
	}
	if a.Session, ok = text(c.Session); !ok || a.Session == "" || len(a.Session) > idMax {
		return Actor{}, time.Time{}, errors.New("sid is missing")
	}
	if a.Impersonator, err = c.impersonator(); err != nil {
		return Actor{}, time.Time{}, err
	}
	issued, _ := seconds(c.Issued)
	a.IssuedAt = issued
	if err := c.organization(&a); err != nil {
		return Actor{}, time.Time{}, err
	}
	a.Tenant = a.User
	if !a.Personal() {
		a.Tenant = a.Organization.ID
		a.Licensed = licensed(c.Metadata)
	}
	return a, expiry, nil
}

// checkTimes wants exp and iat, takes nbf where it is there, allows for a skew of
// clocks, and caps the time between issue and expiry.
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

// organization reads the active organization in the way of the token's version.
// The claims of the other version mean nothing: a version 2 token without `o` is
// personal, whatever custom claims it carries.
func (c *claims) organization(a *Actor) error {
	switch version, err := c.version(); {
	case err != nil:
		return err
	case version == 1:
		return c.organizationV1(a)
	default:
		return c.organizationV2(a)
	}
}

func (c *claims) version() (int, error) {
	if len(c.Version) == 0 {
		return 1, nil
	}
	v, err := strconv.Atoi(string(c.Version))
	if err != nil || v < 1 || v > 2 {
		return 0, errors.New("v is not a known version")
	}
	return v, nil
}

func (c *claims) organizationV1(a *Actor) error {
	if absent(c.OrgID) {
		return nil
	}
	var ok bool
	if a.Organization.ID, ok = text(c.OrgID); !ok || !isID(a.Organization.ID, "org_") {
		return errors.New("org_id is not an organization")
	}
	a.Organization.Slug, _ = text(c.OrgSlug)
	role, _ := text(c.OrgRole)
	if a.Role, ok = roleOf(role); !ok {
		return errors.New("org_role is missing")
	}
	if absent(c.OrgPermissions) {
		return nil
	}
	var names []string
	if err := json.Unmarshal(c.OrgPermissions, &names); err != nil {
		return errors.New("org_permissions is not a list of names")
	}
	for _, name := range names {
		p, _ := PermissionOf(name)
		a.Permissions |= p
	}
	return nil
}

func (c *claims) organizationV2(a *Actor) error {
	if absent(c.Org) {
		return nil
	}
	var o struct {
		ID          string `json:"id"`
		Slug        string `json:"slg"`
		Role        string `json:"rol"`
		Permissions string `json:"per"`
		Masks       string `json:"fpm"`
	}
	if err := json.Unmarshal(c.Org, &o); err != nil {
		return errors.New("o cannot be read")
	}
	if !isID(o.ID, "org_") {
		return errors.New("o.id is not an organization")
	}
	var ok bool
	if a.Role, ok = roleOf(o.Role); !ok {
		return errors.New("o.rol is missing")
	}
	features, _ := text(c.Features)
	a.Organization = Organization{ID: o.ID, Slug: o.Slug}
	a.Permissions = decodePermissions(features, o.Permissions, o.Masks)
	return nil
}

// roleOf returns the key of a token's role, or false where the token names none.
func roleOf(claim string) (string, bool) {
	key := RoleKey(claim)
	return key, len(key) > len(rolePrefix) && len(claim) <= idMax
}

// decodePermissions decodes a version 2 token's permissions as Clerk documents
// it: the i-th mask belongs to the i-th feature of all, and bit j of a mask, from
// the lowest, grants the j-th permission on it. Features without the scope of an
// organization and masks that are not numbers grant nothing.
func decodePermissions(features, permissions, masks string) Permissions {
	var granted Permissions
	names := strings.Split(permissions, ",")
	numbers := strings.Split(masks, ",")
	for i, feature := range strings.Split(features, ",") {
		if i >= len(numbers) {
			break
		}
		scope, name, ok := strings.Cut(strings.TrimSpace(feature), ":")
		if !ok || (scope != "o" && scope != "ou" && scope != "uo") {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(numbers[i]), 10, 64)
		if err != nil {
			continue
		}
		for j, permission := range names[:min(len(names), 64)] {
			if mask&(1<<j) != 0 {
				p, _ := PermissionOf(fmt.Sprintf("org:%s:%s", name, strings.TrimSpace(permission)))
				granted |= p
			}
		}
	}
	return granted
}

// licensed reads the flag from the membership's metadata, which may have any
// shape: only an object whose isLicensed is true says yes.
func licensed(metadata json.RawMessage) bool {
	var m map[string]json.RawMessage // not a struct: its names would match in any case
	return json.Unmarshal(metadata, &m) == nil && string(m["isLicensed"]) == "true"
}

func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}

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

// isID tells whether s is an id with that prefix: letters, digits, '_' and '-'.
func isID(s, prefix string) bool {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok || rest == "" || len(s) > idMax {
		return false
	}
	return strings.IndexFunc(rest, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
}
