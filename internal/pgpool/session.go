package pgpool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// bounds are the settings that every session has unless the URL says otherwise.
var bounds = map[string]string{
	"statement_timeout":                   "5s",
	"lock_timeout":                        "2s",
	"idle_in_transaction_session_timeout": "10s",
	"search_path":                         "public, pg_temp",
	"timezone":                            "UTC",
}

// atStartup are the parameters that travel with the startup message. Poolers take these
// and refuse others, or drop them without a word, so that all others are set afterwards.
var atStartup = []string{"application_name", "client_encoding", "options", "replication"}

// settings are what a session is set to, names and values by turns.
type settings []string

// takeSettings moves the settings of the session out of the startup parameters and adds
// the bounds.
func takeSettings(parameters map[string]string) settings {
	wanted := maps.Clone(bounds)
	for name, value := range parameters {
		if key := strings.ToLower(name); !slices.Contains(atStartup, key) {
			delete(parameters, name)
			wanted[key] = value
		}
	}
	// Statements that wait for each other rely on it.
	wanted["default_transaction_isolation"] = "read committed"
	var s settings
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		s = append(s, name, wanted[name])
	}
	return s
}

// setSQL sets the session. It returns, in this order, the backend and whether
// transactions can only read.
const setSQL = `
SELECT pg_backend_pid()::text, current_setting('transaction_read_only')
  FROM (SELECT count(set_config(name, value, false))
          FROM unnest($1::text[], $2::text[]) AS wanted (name, value)) AS done`

// Session is what this package knows of a connection. Like the connection it is not safe
// to share.
type Session struct {
	statements map[string]*prepared
	pooled     bool // something between keeps sessions of its own
	types      *pgtype.Map
	builder    pgx.ExtendedQueryBuilder
}

type prepared struct {
	*pgconn.StatementDescription
	formats []int16 // of its results, in the order of its columns; nil before its first use
}

var errNotPrepared = errors.New("the statement is not prepared on this connection")

const sessionKey = "teamtask session"

// SessionOf returns the session of a connection of a pool.
func SessionOf(conn *pgx.Conn) *Session {
	s, _ := conn.PgConn().CustomData()[sessionKey].(*Session)
	return s
}

// Send adds the prepared statement of that name to a pipeline of the session's connection.
func (s *Session) Send(pipeline *pgconn.Pipeline, name string, args []any) error {
	statement := s.statements[name]
	if statement == nil {
		return errNotPrepared
	}
	if err := s.builder.Build(s.types, statement.StatementDescription, args); err != nil {
		return err
	}
	if statement.formats == nil { // kept, because the pipeline looks at them again
		statement.formats = append(make([]int16, 0, len(s.builder.ResultFormats)), s.builder.ResultFormats...)
	}
	pipeline.SendQueryStatement(statement.StatementDescription, s.builder.ParamValues, s.builder.ParamFormats, statement.formats)
	return nil
}

// Rows returns the rows of a result of the session's connection.
func (s *Session) Rows(result *pgconn.ResultReader) pgx.Rows {
	return pgx.RowsFromResultReader(s.types, result)
}

// begin sets the session of a new connection and prepares all statements, in one round
// trip.
func begin(ctx context.Context, of *pgx.Conn, s settings, statements []Statement) error {
	conn := of.PgConn()
	pipeline := conn.StartPipeline(ctx)
	err := sendBegin(pipeline, s, statements)
	var known *Session
	if err == nil {
		known, err = readBegin(pipeline, conn, statements)
	}
	if closed := pipeline.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	known.types = of.TypeMap()
	conn.CustomData()[sessionKey] = known
	return nil
}

func sendBegin(pipeline *pgconn.Pipeline, s settings, statements []Statement) error {
	names, values := make([]string, 0, len(s)/2), make([]string, 0, len(s)/2)
	for pair := range slices.Chunk(s, 2) {
		names, values = append(names, pair[0]), append(values, pair[1])
	}
	pipeline.SendQueryParams(setSQL, [][]byte{textArray(names), textArray(values)}, nil, nil, nil)
	for _, statement := range statements {
		pipeline.SendPrepare(statement.Name, statement.SQL, nil)
	}
	if err := pipeline.Sync(); err != nil {
		return fmt.Errorf("set the session: %w", err)
	}
	return nil
}

func readBegin(pipeline *pgconn.Pipeline, conn *pgconn.PgConn, statements []Statement) (*Session, error) {
	result, err := pipeline.GetResults()
	if err != nil {
		return nil, fmt.Errorf("set the session: %w", err)
	}
	rows, ok := result.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("set the session: got %T", result)
	}
	read := rows.Read()
	if read.Err != nil {
		return nil, fmt.Errorf("set the session: %w", read.Err)
	}
	if len(read.Rows) != 1 || len(read.Rows[0]) != 2 {
		return nil, errors.New("set the session: got no row")
	}
	if string(read.Rows[0][1]) == "on" {
		return nil, ErrReadOnly
	}
	known := &Session{
		statements: make(map[string]*prepared, len(statements)),
		pooled:     string(read.Rows[0][0]) != strconv.FormatUint(uint64(conn.PID()), 10),
	}
	for _, statement := range statements {
		result, err := pipeline.GetResults()
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", statement.Name, err)
		}
		description, ok := result.(*pgconn.StatementDescription)
		if !ok {
			return nil, fmt.Errorf("prepare %s: got %T", statement.Name, result)
		}
		known.statements[statement.Name] = &prepared{StatementDescription: &pgconn.StatementDescription{
			Name: statement.Name, SQL: statement.SQL, ParamOIDs: description.ParamOIDs, Fields: description.Fields,
		}}
	}
	return known, nil
}

// textArray returns a text[] as PostgreSQL reads it.
func textArray(all []string) []byte {
	encoded, err := pgtype.NewMap().Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, all, nil)
	if err != nil {
		panic(err) // strings always can be
	}
	return encoded
}
