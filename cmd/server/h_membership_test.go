package main

import (
	"net/http"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
)

// members is a client of the membership for a person of the sandbox.
func (s *stack) members(user, org string, version int) teamtaskv1connect.MembershipServiceClient {
	return teamtaskv1connect.NewMembershipServiceClient(
		&http.Client{Transport: bearing{s, s.token(user, org, version), s.http1}}, s.url, connect.WithProtoJSON())
}

func second[T any](_ T, err error) error { return err }
