package membership

import (
	"context"
	"errors"
	"time"

	"github.com/teamtask/teamtask/internal/cached"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/fault"
)

const (
	rolesFreshFor   = time.Minute     // they are not fetched again
	rolesUsableFor  = 24 * time.Hour  // while Clerk does not respond
	rolesRetryPause = 5 * time.Second // after a fetch that failed
	rolesPatience   = time.Second     // of a caller for whom there are older ones
	rolesWithin     = 8 * time.Second // for Clerk to respond: less than a call may take
)

// roleList is what Clerk says of the roles of the instance.
type roleList struct {
	offered bool // Clerk has a list of roles
	roles   []clerk.Role
}

// cachedRoles returns the roles that list lists: those of the last minute, or of the last day
// while Clerk does not respond. The value is shared: do not change it.
func cachedRoles(list func(context.Context) ([]clerk.Role, error), now func() time.Time) *cached.Value[roleList] {
	return cached.New(cached.Options[roleList]{
		Fetch: func(ctx context.Context, _ roleList) (roleList, error) {
			roles, err := list(ctx)
			if errors.Is(err, clerk.NotOffered) {
				return roleList{}, nil
			}
			return roleList{offered: err == nil, roles: roles}, err
		},
		Within: rolesWithin, FreshFor: rolesFreshFor, UsableFor: rolesUsableFor,
		Retry: rolesRetryPause, Patience: rolesPatience, Now: now,
	})
}

// readRoles returns the cached roles.
//
// Faults: fault.ProviderUnavailable.
func readRoles(ctx context.Context, roles *cached.Value[roleList]) (roleList, error) {
	known, err := roles.Get(ctx)
	switch {
	case err == nil || ctx.Err() != nil:
		return known, err
	case errors.Is(err, fault.ProviderUnavailable):
		return known, err // with the time to wait, where it is known
	}
	return known, fault.ProviderUnavailable.Because(err)
}
