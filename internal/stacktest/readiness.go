package stacktest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// UseUp keeps all connections of the pool in use, each for a tenant, until free.
func (s *Stack) UseUp(t *testing.T) (free func()) {
	t.Helper()
	release := make(chan struct{})
	var using sync.WaitGroup
	all := server.Statements()
	look := all[slices.IndexFunc(all, func(s tenancy.Statement) bool { return s.Name == "select_task" })]
	for i := range s.DB.Size() {
		using.Go(func() {
			someone := fmt.Sprintf("user_%d", i)
			err := s.DB.In(t.Context(), tenancy.Actor{User: someone, Tenant: someone}, func(tx *tenancy.Tx) error {
				_, err := tenancy.Exec(t.Context(), tx, look, someone, uuid.New())
				<-release
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	Until(t, "all connections are in use", func() bool {
		_, used := s.DB.Connections()
		return used == s.DB.Size()
	})
	return func() {
		close(release)
		using.Wait()
	}
}
