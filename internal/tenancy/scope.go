package tenancy

import (
	"time"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/fault"
)

var (
	// SeatRequired is a call that needs a seat by somebody who holds none that works.
	SeatRequired = fault.New(connect.CodePermissionDenied, teamtaskv1.Reason_REASON_SEAT_REQUIRED,
		"a seat is required: people who manage the organization's seats can assign one, also to themselves")
	// MembershipEnded is a call with a token from before its holder was removed from the
	// organization, or before the organization or the person was deleted.
	MembershipEnded = fault.New(connect.CodePermissionDenied, teamtaskv1.Reason_REASON_MEMBERSHIP_ENDED,
		"the membership has ended since this token was issued")
	// TokenStale is a call with a token from before its holder got another role.
	TokenStale = fault.New(connect.CodeUnauthenticated, teamtaskv1.Reason_REASON_TOKEN_STALE,
		"the role has changed since this token was issued; get a fresh one and try again")
)

// The SQLSTATEs with which the preamble refuses.
const (
	codeSeatRequired    = "TT001"
	codeMembershipEnded = "TT002"
	codeTokenStale      = "TT003"
)

var (
	begin = Statement{Name: "begin", SQL: `BEGIN`}
	end   = Statement{Name: "end", SQL: `COMMIT`}

	// preamble scopes the transaction to a tenant and a person, and refuses the call
	// where the actor may not go on. It travels with the first statement; when it
	// refuses, PostgreSQL skips what is behind it.
	//
	// Whether the membership still is what the token says, and whether a seat that works goes
	// with it, is asked of standings, which the directory and the ledger keep ($5 is when the
	// token was issued, NULL for the system; $6 is its role; $3 is whether the method wants a
	// seat). Whoever it does not know, or knows otherwise and from before the token, is trusted
	// by the token, and the answer says so; they hold no seat. Where an organization has ended,
	// all its members have, so that it is looked at only for people who are not known. Tokens
	// are issued by another clock, in whole seconds, so that one from within 5 seconds after the
	// change counts as older; a role that is the present one is never stale.
	//
	// What the token claims of the seat counts only where there is no ledger ($4, NULL where
	// there is one).
	preamble = Statement{Name: "preamble", SQL: preambleSQL}
)

const preambleSQL = `
		SELECT set_config('app.tenant_id', $1, true),
		       set_config('app.user_id', $2, true),
		       coalesce(
		           (SELECT CASE WHEN remove_time IS NULL AND role = $6::text AND (NOT $3::boolean OR coalesce($4::boolean, seated)) THEN true
		                        WHEN remove_time >= $5::timestamptz - interval '5 s' THEN refuse('` + codeMembershipEnded + `', 'the membership has ended')
		                        WHEN remove_time IS NOT NULL THEN NULL
		                        WHEN role <> $6 AND role_time >= $5 - interval '5 s' THEN refuse('` + codeTokenStale + `', 'the role has changed')
		                        WHEN NOT $3 OR coalesce($4, seated) THEN false
		                        ELSE refuse('` + codeSeatRequired + `', 'a seat is required') END
		              FROM standings
		             WHERE tenant_id = $1 AND user_id = $2 AND $5 IS NOT NULL),
		           (SELECT CASE WHEN remove_time >= $5 - interval '5 s' THEN refuse('` + codeMembershipEnded + `', 'the organization has ended') END
		              FROM standings
		             WHERE tenant_id = $1 AND user_id = '' AND $5 IS NOT NULL),
		           CASE WHEN $3 AND $4 IS NOT TRUE THEN refuse('` + codeSeatRequired + `', 'a seat is required') ELSE $5 IS NULL END) AS known`

// preambleKnown is the place of the column known in what the preamble answers.
const preambleKnown = 2

func (db *DB) scope(a Actor) []any {
	var issued *time.Time
	if !a.IssuedAt.IsZero() {
		issued = &a.IssuedAt
	}
	var claimed *bool
	if db.claims {
		claimed = &a.Licensed
	}
	return []any{a.Tenant, a.User, a.SeatRequired, claimed, issued, a.Role}
}
