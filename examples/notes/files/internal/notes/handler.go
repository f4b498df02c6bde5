package notes

import (
	"context"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Handler is the NoteService on the wire.
type Handler struct{ notes *Notes }

var _ teamtaskv1connect.NoteServiceHandler = (*Handler)(nil)

// NewHandler returns the service over notes.
func NewHandler(notes *Notes) *Handler { return &Handler{notes: notes} }

// UpdateNote implements teamtask.v1.NoteService.
func (h *Handler) UpdateNote(ctx context.Context, r *teamtaskv1.UpdateNoteRequest) (*teamtaskv1.UpdateNoteResponse, error) {
	task, err := parseID(r.GetTaskId())
	if err != nil {
		return nil, err
	}
	stored, err := h.notes.Set(ctx, tenancy.ActorOf(ctx), task, r.GetText())
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.UpdateNoteResponse{Note: stored.proto()}, nil
}

// GetNote implements teamtask.v1.NoteService.
func (h *Handler) GetNote(ctx context.Context, r *teamtaskv1.GetNoteRequest) (*teamtaskv1.GetNoteResponse, error) {
	task, err := parseID(r.GetTaskId())
	if err != nil {
		return nil, err
	}
	found, err := h.notes.Note(ctx, tenancy.ActorOf(ctx), task)
	if err != nil {
		return nil, err
	}
	return &teamtaskv1.GetNoteResponse{Note: found.proto()}, nil
}

// parseID is a second guard: the rules of the contract have checked the form.
func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, fault.Invalid.Because(err)
	}
	return id, nil
}

// proto returns the note as a message, nil where the task has none.
func (n *note) proto() *teamtaskv1.Note {
	if n.Text == "" {
		return nil
	}
	return &teamtaskv1.Note{
		TaskId:     uuid.UUID(n.TaskID.Bytes).String(),
		Text:       n.Text,
		UpdatedBy:  n.UpdatedBy,
		UpdateTime: timestamppb.New(n.UpdateTime),
	}
}
