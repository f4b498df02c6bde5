package stacktest

import (
	"net/http"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// Members is a client of the membership for a person of the sandbox.
func (s *Stack) Members(user, org string, version int) teamtaskv1connect.MembershipServiceClient {
	return teamtaskv1connect.NewMembershipServiceClient(
		&http.Client{Transport: s.Transport(s.Token(user, org, version), s.HTTP1)}, s.URL, connect.WithProtoJSON())
}

func Second[T any](_ T, err error) error { return err }
