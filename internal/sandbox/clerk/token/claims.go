package token

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
)

// notBefore is how long before its iat a token is already valid.
const notBefore = 10 * time.Second

// features are the organization features of the instance, in the order of the claim fea.
var features = []string{"members", "tasks"}

// Claims returns the claims of a token for a request, which has a version and a TTL. An empty party is left out. It fails for
// a person or an organization that the directory does not have, and for a person who is not a member of the organization.
func Claims(d *directory.Directory, r Request, issuer, party string, now time.Time) (map[string]any, error) {
	p, err := d.PersonNamed(r.User)
	if err != nil {
		return nil, err
	}
	claims := commonClaims(p, issuer, party, now, r.TTL)
	if r.Version == 2 {
		maps.Copy(claims, map[string]any{"v": 2, "sts": "active", "pla": "u:free"})
	}
	if r.Org == "" {
		return claims, nil
	}
	o, err := d.OrganizationNamed(r.Org)
	if err != nil {
		return nil, err
	}
	m, err := o.FindMembership(p)
	if err != nil {
		return nil, err
	}
	claims["org_metadata"] = cloned(m.PublicMetadata)
	if r.Version == 1 {
		maps.Copy(claims, version1(o, m))
	} else {
		maps.Copy(claims, version2(o, m))
	}
	return claims, nil
}

// commonClaims returns the claims of both versions, with or without an organization. An empty party is left out.
func commonClaims(p directory.Person, issuer, party string, now time.Time, ttl time.Duration) map[string]any {
	issued, expires := now, now.Add(ttl)
	if ttl <= 0 { // an ordinary token of the past, which nothing but its age speaks against
		issued = expires.Add(-defaultTTL)
	}
	claims := map[string]any{
		"exp": expires.Unix(),
		"fva": []int{0, -1},
		"iat": issued.Unix(),
		"iss": issuer,
		"jti": tokenID(),
		"nbf": issued.Add(-notBefore).Unix(),
		"sid": p.Session,
		"sub": p.ID,
	}
	if party != "" {
		claims["azp"] = party
	}
	return claims
}

// version1 returns the organization's claims as they were before version 2.
func version1(o *directory.Organization, m directory.Membership) map[string]any {
	claims := map[string]any{"org_id": o.ID, "org_slug": o.Slug, "org_role": m.Role}
	switch permissions := o.Permissions(m); {
	case o.Plain:
		claims["org_permissions"] = []string{}
	case len(permissions) > 0:
		claims["org_permissions"] = permissions
	}
	return claims
}

// version2 returns the organization's claims of version 2: the plan, the features and the claim o. An instance without custom
// permissions has no features.
func version2(o *directory.Organization, m directory.Membership) map[string]any {
	org := map[string]any{"id": o.ID, "slg": o.Slug, "rol": strings.TrimPrefix(m.Role, "org:")}
	if o.Plain {
		return map[string]any{"pla": "o:free", "o": org}
	}
	if per, fpm := packPermissions(o.Permissions(m)); per != "" {
		org["per"], org["fpm"] = per, fpm
	}
	return map[string]any{"pla": "o:free", "fea": "o:" + strings.Join(features, ",o:"), "o": org}
}

// packPermissions writes permissions such as org:tasks:edit as the claims per and fpm: per holds the last parts, sorted, and
// fpm one number for each entry of features, in which bit j stands for the j-th name in per.
func packPermissions(permissions []string) (per, fpm string) {
	var names []string
	for _, permission := range permissions {
		names = append(names, permission[strings.LastIndex(permission, ":")+1:])
	}
	slices.Sort(names)
	names = slices.Compact(names)

	var masks []string
	for _, feature := range features {
		mask := 0
		for j, name := range names {
			if slices.Contains(permissions, "org:"+feature+":"+name) {
				mask |= 1 << j
			}
		}
		masks = append(masks, strconv.Itoa(mask))
	}
	return strings.Join(names, ","), strings.Join(masks, ",")
}

// tokenID returns a jti of Clerk's form: 20 hexadecimal digits.
func tokenID() string {
	var id [10]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// cloned returns a metadata object that shares nothing with the given one.
func cloned(object map[string]any) map[string]any {
	c := make(map[string]any, len(object))
	for key, value := range object {
		c[key] = clonedValue(value)
	}
	return c
}

func clonedValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return cloned(value)
	case []any:
		c := make([]any, len(value))
		for i := range value {
			c[i] = clonedValue(value[i])
		}
		return c
	default:
		return value
	}
}
