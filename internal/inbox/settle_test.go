package inbox_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/teamtask/teamtask/internal/inbox"
)

// invited is an event of an invitation. Its body names who accepted it, if anybody did.
func invited(kind, user string) string {
	body := `{"object":"event","type":"organizationInvitation.` + kind + `","data":{"id":"orginv_1","organization_id":"org_1"`
	if user != "" {
		body += `,"user_id":"` + user + `"`
	}
	return body + `}}`
}

// Who accepted an invitation is in the event of that alone.
func TestAnAcceptanceIsAppliedItself(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var accepters []string
	x := newBox(t, func(_ *box, o *inbox.Options) {
		o.Consumers = []inbox.Consumer{{Name: "people", Wants: all, Apply: func(_ context.Context, e inbox.Event) error {
			var body struct {
				Data struct {
					UserID string `json:"user_id"`
				} `json:"data"`
			}
			if err := json.Unmarshal(e.Body, &body); err != nil {
				return err
			}
			if body.Data.UserID != "" {
				mu.Lock()
				defer mu.Unlock()
				accepters = append(accepters, body.Data.UserID)
			}
			return nil
		}}}
	})
	x.put(invited("created", ""))
	x.put(invited("accepted", "user_1"))
	x.put(invited("revoked", ""))
	x.start()
	x.until(3, doneSQL)
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"user_1"}; !slices.Equal(accepters, want) {
		t.Errorf("accepted by %v, want %v", accepters, want)
	}
}
