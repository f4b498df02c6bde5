package membership

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/clerk"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Handler is the MembershipService on the wire.
type Handler struct{ membership *Membership }

var _ teamtaskv1connect.MembershipServiceHandler = (*Handler)(nil)

// NewHandler makes the service over the membership.
func NewHandler(membership *Membership) *Handler { return &Handler{membership: membership} }

// GetCurrentMember implements teamtask.v1.MembershipService.
func (h *Handler) GetCurrentMember(ctx context.Context, _ *teamtaskv1.GetCurrentMemberRequest) (*teamtaskv1.GetCurrentMemberResponse, error) {
	actor := tenancy.ActorOf(ctx)
	found, err := h.membership.Current(ctx, actor)
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.GetCurrentMemberResponse{Member: found.proto(actor)}, nil
}

// ListMembers implements teamtask.v1.MembershipService.
func (h *Handler) ListMembers(ctx context.Context, r *teamtaskv1.ListMembersRequest) (*teamtaskv1.ListMembersResponse, error) {
	f := filter{role: tenancy.RoleKey(r.GetFilter().GetRole()), query: r.GetFilter().GetQuery()}
	found, next, err := h.membership.List(ctx, tenancy.ActorOf(ctx), f, tenancy.Page{Size: int(r.GetPageSize()), Token: r.GetPageToken()})
	if err != nil {
		return nil, err
	}
	res := &teamtaskv1.ListMembersResponse{Members: make([]*teamtaskv1.Member, len(found)), NextPageToken: next}
	for i := range found {
		res.Members[i] = found[i].proto()
	}
	return res, nil
}

// ListRoles implements teamtask.v1.MembershipService.
func (h *Handler) ListRoles(ctx context.Context, _ *teamtaskv1.ListRolesRequest) (*teamtaskv1.ListRolesResponse, error) {
	found, err := h.membership.Roles(ctx, tenancy.ActorOf(ctx))
	if err != nil {
		return nil, err
	}
	res := &teamtaskv1.ListRolesResponse{Roles: make([]*teamtaskv1.Role, len(found))}
	for i := range found {
		res.Roles[i] = found[i].proto()
	}
	return res, nil
}

// ListInvitations implements teamtask.v1.MembershipService.
func (h *Handler) ListInvitations(ctx context.Context, r *teamtaskv1.ListInvitationsRequest) (*teamtaskv1.ListInvitationsResponse, error) {
	found, next, err := h.membership.Invitations(ctx, tenancy.ActorOf(ctx), tenancy.Page{Size: int(r.GetPageSize()), Token: r.GetPageToken()})
	if err != nil {
		return nil, err
	}
	res := &teamtaskv1.ListInvitationsResponse{Invitations: make([]*teamtaskv1.Invitation, len(found)), NextPageToken: next}
	for i := range found {
		res.Invitations[i] = found[i].proto()
	}
	return res, nil
}

// proto is the actor, with what the directory knows of them.
func (p *profile) proto(actor tenancy.Actor) *teamtaskv1.Member {
	m := &teamtaskv1.Member{
		UserId:      actor.User,
		Name:        p.Name,
		Email:       p.Email,
		Permissions: slices.Collect(actor.Permissions.Names()),
	}
	if actor.Personal() {
		return m
	}
	m.Organization = &teamtaskv1.Organization{Id: actor.Organization.ID, Slug: p.OrganizationSlug, Name: p.OrganizationName}
	m.Role, m.Licensed, m.Suspended = actor.Role, p.Seated, p.Suspended
	return m
}

func (m *member) proto() *teamtaskv1.Member {
	return &teamtaskv1.Member{UserId: m.UserID, Name: m.Name, Email: m.Email, Role: tenancy.RoleKey(m.Role), Licensed: m.Licensed, Suspended: m.Suspended}
}

func (r *role) proto() *teamtaskv1.Role {
	return &teamtaskv1.Role{Key: r.key, Name: r.name, Permissions: slices.Collect(r.holds.Names()), Grantable: r.grantable}
}

func (i *invitation) proto() *teamtaskv1.Invitation {
	p := &teamtaskv1.Invitation{
		Id:         i.ID,
		Email:      i.Email,
		Role:       tenancy.RoleKey(i.Role),
		HoldSeat:   i.HoldSeat,
		Status:     statusOf(i.Status),
		CreateTime: timestamppb.New(i.CreateTime),
	}
	if i.ExpireTime != nil {
		p.ExpireTime = timestamppb.New(*i.ExpireTime)
	}
	return p
}

// statusOf is Clerk's status on the wire.
func statusOf(status string) teamtaskv1.InvitationStatus {
	switch status {
	case clerk.InvitationPending:
		return teamtaskv1.InvitationStatus_INVITATION_STATUS_PENDING
	case clerk.InvitationAccepted:
		return teamtaskv1.InvitationStatus_INVITATION_STATUS_ACCEPTED
	case clerk.InvitationRevoked:
		return teamtaskv1.InvitationStatus_INVITATION_STATUS_REVOKED
	case clerk.InvitationExpired:
		return teamtaskv1.InvitationStatus_INVITATION_STATUS_EXPIRED
	}
	return teamtaskv1.InvitationStatus_INVITATION_STATUS_UNSPECIFIED
}
