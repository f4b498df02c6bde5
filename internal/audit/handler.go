package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Handler is the AuditService on the wire.
type Handler struct{ log *Log }

var _ teamtaskv1connect.AuditServiceHandler = (*Handler)(nil)

// NewHandler makes the service over the log.
func NewHandler(log *Log) *Handler { return &Handler{log: log} }

// ListAuditEvents implements teamtask.v1.AuditService.
func (h *Handler) ListAuditEvents(ctx context.Context, r *teamtaskv1.ListAuditEventsRequest) (*teamtaskv1.ListAuditEventsResponse, error) {
	f, err := filterOf(r.GetFilter())
	if err != nil {
		return nil, err
	}
	found, next, err := h.log.list(ctx, tenancy.ActorOf(ctx), f, tenancy.Page{Size: int(r.GetPageSize()), Token: r.GetPageToken()})
	if err != nil {
		return nil, err
	}
	res := &teamtaskv1.ListAuditEventsResponse{Events: make([]*teamtaskv1.AuditEvent, len(found)), NextPageToken: next}
	for i := range found {
		if res.Events[i], err = found[i].proto(); err != nil {
			return nil, err
		}
	}
	return res, nil
}

func filterOf(r *teamtaskv1.ListAuditEventsRequest_Filter) (f filter, err error) {
	f = filter{actor: r.GetActor(), method: r.GetMethod(), outcome: r.GetOutcome()}
	if f.since, err = timeOf("since", r.GetSince()); err != nil {
		return filter{}, err
	}
	f.until, err = timeOf("until", r.GetUntil())
	return f, err
}

// timeOf is the time, or nil for none.
func timeOf(name string, t *timestamppb.Timestamp) (*time.Time, error) {
	if t == nil {
		return nil, nil
	}
	if err := t.CheckValid(); err != nil {
		return nil, fault.Invalid.Saying("filter." + name + ": is not a time").Because(err)
	}
	at := t.AsTime()
	return &at, nil
}

func (e *event) proto() (*teamtaskv1.AuditEvent, error) {
	details := &structpb.Struct{}
	if err := protojson.Unmarshal(e.Details, details); err != nil {
		return nil, fmt.Errorf("read the details of an audit event: %w", err)
	}
	return &teamtaskv1.AuditEvent{
		Id:           uuid.UUID(e.ID.Bytes).String(),
		Time:         timestamppb.New(e.Time),
		Actor:        e.Actor,
		Impersonator: e.Impersonator,
		Method:       e.Method,
		Outcome:      e.Outcome,
		Reason:       e.Reason,
		Target:       e.Target,
		RequestId:    e.RequestID,
		Details:      details,
	}, nil
}
