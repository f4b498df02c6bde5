package licensing

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Handler is the LicensingService on the wire.
type Handler struct{ licensing *Licensing }

var _ teamtaskv1connect.LicensingServiceHandler = (*Handler)(nil)

// NewHandler makes the service over the licensing.
func NewHandler(licensing *Licensing) *Handler { return &Handler{licensing: licensing} }

// GetLicense implements teamtask.v1.LicensingService.
func (h *Handler) GetLicense(ctx context.Context, _ *teamtaskv1.GetLicenseRequest) (*teamtaskv1.GetLicenseResponse, error) {
	s, err := h.licensing.License(ctx, tenancy.ActorOf(ctx))
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.GetLicenseResponse{License: s.proto()}, nil
}

// ListSeats implements teamtask.v1.LicensingService.
func (h *Handler) ListSeats(ctx context.Context, r *teamtaskv1.ListSeatsRequest) (*teamtaskv1.ListSeatsResponse, error) {
	f := filter{query: r.GetFilter().GetQuery()}
	if r.GetFilter() != nil {
		f.licensed = r.GetFilter().Licensed
	}
	found, next, err := h.licensing.List(ctx, tenancy.ActorOf(ctx), f, tenancy.Page{Size: int(r.GetPageSize()), Token: r.GetPageToken()})
	if err != nil {
		return nil, err
	}
	res := &teamtaskv1.ListSeatsResponse{Seats: make([]*teamtaskv1.Seat, len(found)), NextPageToken: next}
	for i := range found {
		res.Seats[i] = found[i].proto()
	}
	return res, nil
}

// AssignSeat implements teamtask.v1.LicensingService.
func (h *Handler) AssignSeat(ctx context.Context, r *teamtaskv1.AssignSeatRequest) (*teamtaskv1.AssignSeatResponse, error) {
	given, lic, err := h.licensing.Assign(ctx, tenancy.ActorOf(ctx), r.GetUserId())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.AssignSeatResponse{Seat: given.proto(), License: lic.proto()}, nil
}

// RevokeSeat implements teamtask.v1.LicensingService.
func (h *Handler) RevokeSeat(ctx context.Context, r *teamtaskv1.RevokeSeatRequest) (*teamtaskv1.RevokeSeatResponse, error) {
	taken, lic, err := h.licensing.Revoke(ctx, tenancy.ActorOf(ctx), r.GetUserId())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.RevokeSeatResponse{Seat: taken.proto(), License: lic.proto()}, nil
}

// CreateCheckoutSession implements teamtask.v1.LicensingService.
func (h *Handler) CreateCheckoutSession(ctx context.Context, r *teamtaskv1.CreateCheckoutSessionRequest) (*teamtaskv1.CreateCheckoutSessionResponse, error) {
	url, err := h.licensing.Checkout(ctx, tenancy.ActorOf(ctx), r.GetQuantity(), r.GetSuccessPath(), r.GetCancelPath())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.CreateCheckoutSessionResponse{Url: url}, nil
}

// CreatePortalSession implements teamtask.v1.LicensingService.
func (h *Handler) CreatePortalSession(ctx context.Context, r *teamtaskv1.CreatePortalSessionRequest) (*teamtaskv1.CreatePortalSessionResponse, error) {
	url, err := h.licensing.Portal(ctx, tenancy.ActorOf(ctx), r.GetReturnPath())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.CreatePortalSessionResponse{Url: url}, nil
}

// statuses are the words of a license's status on the wire.
var statuses = map[string]teamtaskv1.LicenseStatus{
	statusNone:       teamtaskv1.LicenseStatus_LICENSE_STATUS_NONE,
	statusIncomplete: teamtaskv1.LicenseStatus_LICENSE_STATUS_INCOMPLETE,
	statusTrialing:   teamtaskv1.LicenseStatus_LICENSE_STATUS_TRIALING,
	statusActive:     teamtaskv1.LicenseStatus_LICENSE_STATUS_ACTIVE,
	statusPastDue:    teamtaskv1.LicenseStatus_LICENSE_STATUS_PAST_DUE,
	statusUnpaid:     teamtaskv1.LicenseStatus_LICENSE_STATUS_UNPAID,
	statusPaused:     teamtaskv1.LicenseStatus_LICENSE_STATUS_PAUSED,
	statusCanceled:   teamtaskv1.LicenseStatus_LICENSE_STATUS_CANCELED,
}

func (s *summary) proto() *teamtaskv1.License {
	p := &teamtaskv1.License{
		Purchased:            s.Purchased,
		Assigned:             s.Assigned,
		Held:                 s.Held,
		Available:            s.free(),
		Working:              s.Working,
		Status:               statuses[s.Status],
		OverAssigned:         s.over(),
		GraceEndTime:         timestamp(s.GraceEndTime),
		CurrentPeriodEndTime: timestamp(s.CurrentPeriodEndTime),
		TrialEndTime:         timestamp(s.TrialEndTime),
		CancelTime:           timestamp(s.CancelTime),
	}
	if s.Amount != nil {
		p.Price = &teamtaskv1.Price{UnitAmount: *s.Amount, Currency: s.Currency, Interval: s.Interval, IntervalCount: s.IntervalCount}
	}
	return p
}

func (s *seat) proto() *teamtaskv1.Seat {
	return &teamtaskv1.Seat{
		UserId: s.UserID, Name: s.Name, Email: s.Email, Role: s.Role,
		Licensed: s.held() && s.Working, Suspended: s.held() && !s.Working, AssignTime: timestamp(s.AssignTime), AssignedBy: s.AssignedBy, Synced: s.Synced,
	}
}

func timestamp(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}
