package tenancy

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/fault"
)

func TestConflictOfTransactionsIsWorthAnotherTry(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"40001", "40P01", "25006"} {
		if err := fromDatabase(t.Context(), &pgconn.PgError{Code: code}); !errors.Is(err, fault.DatabaseUnavailable) {
			t.Errorf("%s: got %v, want the database to be unavailable", code, err)
		}
	}
	if err := fromDatabase(t.Context(), &pgconn.PgError{Code: "23505"}); errors.Is(err, fault.DatabaseUnavailable) {
		t.Error("a broken constraint passes for a database that is unavailable")
	}
}
