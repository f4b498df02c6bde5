package server

import (
	"context"
	"fmt"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/telemetry"
)

// newClerk returns a client of Clerk. Without metrics nothing is counted.
func newClerk(o clerk.Options, m *telemetry.Metrics) (*clerk.Client, error) {
	if m != nil {
		o.Observe = countClerkCalls(m)
	}
	client, err := clerk.New(o)
	if err != nil {
		return nil, fmt.Errorf("CLERK_SECRET_KEY, CLERK_API_URL: %w", err)
	}
	return client, nil
}

// rolesFunc asks Clerk for the roles that there are.
type rolesFunc = func(context.Context) ([]clerk.Role, error)

// roles returns what asks Clerk for the roles that there are, or nil without a directory.
func (s *Server) roles() rolesFunc {
	if s.clerk == nil {
		return nil
	}
	return s.clerk.Roles
}
