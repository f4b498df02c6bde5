package licensing

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Handler is the part of the LicensingService that is about seats, on the wire.
type Handler struct{ licensing *Licensing }

// NewHandler returns the handler over the licensing.
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
	f := Filter{Query: r.GetFilter().GetQuery()}
	if r.GetFilter() != nil {
		f.Licensed = r.GetFilter().Licensed
	}
	found, next, err := h.licensing.List(ctx, tenancy.ActorOf(ctx), f, tenancy.Page{Size: int(r.GetPageSize()), Token: r.GetPageToken()})
	if err != nil {
		return nil, err
	}
	res := &teamtaskv1.ListSeatsResponse{Seats: make([]*teamtaskv1.Seat, len(found)), NextPageToken: next}
	for i := range found {
		res.Seats[i] = found[i].Proto()
	}
	return res, nil
}

// AssignSeat implements teamtask.v1.LicensingService.
func (h *Handler) AssignSeat(ctx context.Context, r *teamtaskv1.AssignSeatRequest) (*teamtaskv1.AssignSeatResponse, error) {
	given, lic, err := h.licensing.Assign(ctx, tenancy.ActorOf(ctx), r.GetUserId())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.AssignSeatResponse{Seat: given.Proto(), License: lic.proto()}, nil
}

// RevokeSeat implements teamtask.v1.LicensingService.
func (h *Handler) RevokeSeat(ctx context.Context, r *teamtaskv1.RevokeSeatRequest) (*teamtaskv1.RevokeSeatResponse, error) {
	taken, lic, err := h.licensing.Revoke(ctx, tenancy.ActorOf(ctx), r.GetUserId())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.RevokeSeatResponse{Seat: taken.Proto(), License: lic.proto()}, nil
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

func (s *Summary) proto() *teamtaskv1.License {
	p := &teamtaskv1.License{
		Purchased:            s.Purchased,
		Assigned:             s.Assigned,
		Held:                 s.Held,
		Available:            s.Free(),
		Working:              s.Working,
		Status:               statuses[s.Status],
		OverAssigned:         s.OverAssigned(),
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

// Proto returns the seat as clients see it.
func (s *Seat) Proto() *teamtaskv1.Seat {
	return &teamtaskv1.Seat{
		UserId: s.UserID, Name: s.Name, Email: s.Email, Role: s.Role,
		Licensed: s.Held() && s.Working, Suspended: s.Held() && !s.Working, AssignTime: timestamp(s.AssignTime), AssignedBy: s.AssignedBy, Synced: s.Synced,
	}
}

func timestamp(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}
