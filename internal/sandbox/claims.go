package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// notBefore is how long before its iat a token is already valid.
const notBefore = 10 * time.Second

// features are the organization features of the instance, in the order of the claim fea.
var features = []string{"members", "tasks"}

// commonClaims are those of both versions, with or without an organization.
func (s *clerkServer) commonClaims(p person, now time.Time, ttl time.Duration) map[string]any {
	issued, expires := now, now.Add(ttl)
	if ttl <= 0 { // an ordinary token of the past, which nothing but its age speaks against
		issued = expires.Add(-defaultTTL)
	}
	claims := map[string]any{
		"exp": expires.Unix(),
		"fva": []int{0, -1},
		"iat": issued.Unix(),
		"iss": s.Issuer(),
		"jti": tokenID(),
		"nbf": issued.Add(-notBefore).Unix(),
		"sid": p.session,
		"sub": p.id,
	}
	if s.authorizedParty != "" {
		claims["azp"] = s.authorizedParty
	}
	return claims
}

// version1 are the organization's claims as they were before version 2.
func version1(o *organization, m membership) map[string]any {
	claims := map[string]any{"org_id": o.id, "org_slug": o.slug, "org_role": m.role}
	switch permissions := o.permissions(m); {
	case o.plain:
		claims["org_permissions"] = []string{}
	case len(permissions) > 0:
		claims["org_permissions"] = permissions
	}
	return claims
}

// version2 are the organization's claims of version 2: the plan, the features and the claim o. An instance without custom
// permissions has no features.
func version2(o *organization, m membership) map[string]any {
	org := map[string]any{"id": o.id, "slg": o.slug, "rol": strings.TrimPrefix(m.role, "org:")}
	if o.plain {
		return map[string]any{"pla": "o:free", "o": org}
	}
	if per, fpm := packPermissions(o.permissions(m)); per != "" {
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

// tokenID is a jti of Clerk's form: 20 hexadecimal digits.
func tokenID() string {
	var id [10]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}
