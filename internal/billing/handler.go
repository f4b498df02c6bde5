package billing

import (
	"context"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// Handler is the part of the LicensingService that is about money, on the wire.
type Handler struct{ billing *Billing }

// NewHandler returns the handler over the billing.
func NewHandler(billing *Billing) *Handler { return &Handler{billing: billing} }

// CreateCheckoutSession implements teamtask.v1.LicensingService.
func (h *Handler) CreateCheckoutSession(ctx context.Context, r *teamtaskv1.CreateCheckoutSessionRequest) (*teamtaskv1.CreateCheckoutSessionResponse, error) {
	url, err := h.billing.Checkout(ctx, tenancy.ActorOf(ctx), r.GetQuantity(), r.GetSuccessPath(), r.GetCancelPath())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.CreateCheckoutSessionResponse{Url: url}, nil
}

// CreatePortalSession implements teamtask.v1.LicensingService.
func (h *Handler) CreatePortalSession(ctx context.Context, r *teamtaskv1.CreatePortalSessionRequest) (*teamtaskv1.CreatePortalSessionResponse, error) {
	url, err := h.billing.Portal(ctx, tenancy.ActorOf(ctx), r.GetReturnPath())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.CreatePortalSessionResponse{Url: url}, nil
}
