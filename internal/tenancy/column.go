package tenancy

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// UUID is a uuid column in the form that the driver reads and writes without a detour
// through text.
type UUID = pgtype.UUID

// Stored is id as a column's value.
func Stored(id uuid.UUID) UUID { return UUID{Bytes: id, Valid: true} }
