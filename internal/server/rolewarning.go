package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/rbac"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	rolesWithin = 30 * time.Second // for Clerk to list the roles
	rolesAgain  = time.Minute      // after it did not
)

// warnOfRoles logs a warning where no role but those that administer holds a permission of
// ours, so that ordinary members could do nothing. It asks Clerk until that responds or ctx ends;
// where Clerk does not offer its roles, nothing is known of them.
func warnOfRoles(ctx context.Context, ask rolesFunc, roles rbac.Roles, log *slog.Logger) {
	for {
		asking, cancel := context.WithTimeout(ctx, rolesWithin)
		listed, err := ask(asking)
		cancel()
		switch {
		case err == nil:
			if !ordinaryRoleHolds(listed, roles) {
				log.WarnContext(ctx, "no role but those in ADMIN_ROLES holds a permission: give roles permissions in Clerk, or set ROLE_PERMISSIONS",
					slog.Int("roles", len(listed)))
			}
			return
		case errors.Is(err, clerk.NotOffered):
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rolesAgain):
		}
	}
}

// ordinaryRoleHolds reports whether a role that does not administer holds a permission.
func ordinaryRoleHolds(listed []clerk.Role, roles rbac.Roles) bool {
	return slices.ContainsFunc(listed, func(r clerk.Role) bool {
		var given tenancy.Permissions
		for _, name := range r.Permissions {
			p, _ := tenancy.PermissionOf(name)
			given |= p
		}
		return !slices.Contains(roles.Admin, r.Key) && roles.Of(r.Key, given) != 0
	})
}
