package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/directory"
	"github.com/teamtask/teamtask/internal/telemetry"
	"github.com/teamtask/teamtask/internal/tenancy"
)

const (
	reconcileEvery  = 6 * time.Hour
	reconcileWithin = 2 * time.Hour
)

// people is our copy of Clerk and what keeps it. The zero value, where the directory is
// not configured, keeps nothing.
type people struct {
	client   *clerk.Client
	meetings *directory.Meetings
}

func newPeople(c config, m *telemetry.Metrics, log *slog.Logger) (people, error) {
	if !c.directory {
		return people{}, nil
	}
	client, err := newClerk(c.clerk, m)
	if err != nil {
		return people{}, err
	}
	return people{client: client, meetings: directory.NewMeetings(log)}, nil
}

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

// roles asks Clerk for the roles that there are; nil without a directory.
func (p people) roles() rolesAt {
	if p.client == nil {
		return nil
	}
	return p.client.Roles
}

// unknown is told of callers whom our copy does not know; nil without a directory.
func (p people) unknown() func(tenancy.Actor) {
	if p.meetings == nil {
		return nil
	}
	return p.meetings.Meet
}
