package api

import (
	"slices"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

func (a handler) getEvent(q Request) (any, error) { return only(&a.Events, "event", q) }

func (a handler) listEvents(q Request) (any, error) {
	kind, kinds := q.Form.TextOr("type", ""), q.Form.Texts("types")
	q.Form.Ignore("delivery_success")
	return listed(q, a.Events.Where(func(e *object.Event) bool {
		return (kind == "" || kind == e.Type || strings.HasSuffix(kind, ".*") && strings.HasPrefix(e.Type, strings.TrimSuffix(kind, "*"))) &&
			(len(kinds) == 0 || slices.Contains(kinds, e.Type))
	}))
}
