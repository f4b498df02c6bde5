package tenancy

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/pgpool"
)

// PostgreSQL's words for where a connection stands.
const (
	txIdle = 'I'
	txOpen = 'T'
)

// batch is prepared statements on their way together: all are sent, then what each
// returned is read in the same order. After the first error nothing more is sent or read,
// and PostgreSQL skips the statements behind it.
type batch struct {
	session  *pgpool.Session
	pipeline *pgconn.Pipeline
	err      error
}

func (t *Tx) batch(ctx context.Context) *batch {
	conn := t.conn.Conn()
	return &batch{session: pgpool.SessionOf(conn), pipeline: conn.PgConn().StartPipeline(ctx)}
}

// send adds a statement to those on their way.
func (b *batch) send(name string, args ...any) {
	if b.err != nil {
		return
	}
	if err := b.session.Send(b.pipeline, name, args); err != nil {
		b.err = fmt.Errorf("%s: %w", name, err)
	}
}

// sync sends all of them.
func (b *batch) sync() {
	if b.err != nil {
		return
	}
	if err := b.pipeline.Sync(); err != nil {
		b.err = err
	}
}

// read reads what the next statement returned. read must close the rows; without one
// they are skipped.
func (b *batch) read(name string, read func(pgx.Rows) error) pgconn.CommandTag {
	if b.err != nil {
		return pgconn.CommandTag{}
	}
	result, err := b.pipeline.GetResults()
	if err != nil {
		b.err = fmt.Errorf("%s: %w", name, err)
		return pgconn.CommandTag{}
	}
	reader, ok := result.(*pgconn.ResultReader)
	if !ok {
		b.err = fmt.Errorf("%s: got %T", name, result)
		return pgconn.CommandTag{}
	}
	if read == nil {
		tag, err := reader.Close()
		if err != nil {
			b.err = fmt.Errorf("%s: %w", name, err)
		}
		return tag
	}
	rows := b.session.Rows(reader)
	if err := read(rows); err != nil {
		b.err = fmt.Errorf("%s: %w", name, err)
	}
	return rows.CommandTag()
}

// close ends the batch and returns its first error.
func (b *batch) close() error {
	if err := b.pipeline.Close(); b.err == nil {
		return err
	}
	return b.err
}
