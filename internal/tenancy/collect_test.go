package tenancy_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/tenancy"
	"github.com/teamtask/teamtask/migrations"
)

// inside is part of wide, whose columns may stand anywhere between its own.
type inside struct {
	ID         tenancy.UUID
	CreateTime time.Time
}

type wide struct {
	Number int64
	inside
	Maybe *string
	Raw   []byte
	Many  []string
	own   int // not a column
}

var (
	wideRows = tenancy.Statement{Name: "wide_rows", SQL: `
		SELECT CASE WHEN n % 2 = 0 THEN 'even ' || n END AS maybe,
		       ('00000000-0000-0000-0000-00000000000' || n)::uuid AS id,
		       n AS number, convert_to('raw' || n, 'UTF8') AS raw,
		       array_fill('x' || n, ARRAY[n::integer]) AS many,
		       timestamptz 'epoch' + n * interval '1 s' AS create_time
		  FROM generate_series(1::bigint, $1) AS n`}
	unknownColumn = tenancy.Statement{Name: "unknown_column", SQL: `SELECT 1 AS name, 2 AS other`}
	missingColumn = tenancy.Statement{Name: "missing_column", SQL: `SELECT 'a' AS name`}
)

func readOnce[T any](ctx context.Context, db *tenancy.DB, s tenancy.Statement, args ...any) (rows []T, err error) {
	err = db.Once(ctx, person("org_a"), func(tx *tenancy.Tx) error {
		rows, err = tenancy.Rows[T](ctx, tx, s, args...)
		return err
	})
	return rows, err
}

func openWide(t *testing.T) *tenancy.DB {
	t.Helper()
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: pgtest.New(t).AppURL, Schema: migrations.Latest(),
		Statements: []tenancy.Statement{wideRows, unknownColumn, missingColumn},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func TestRowsAreReadByTheNamesOfTheirColumns(t *testing.T) {
	t.Parallel()
	db := openWide(t)
	for range 2 { // worked out, and remembered
		rows, err := readOnce[wide](t.Context(), db, wideRows, 3)
		if err != nil || len(rows) != 3 {
			t.Fatalf("got %d rows, %v", len(rows), err)
		}
		for i, r := range rows { // no row shares anything with the one behind it
			n := int64(i + 1)
			digit := string(rune('0' + n))
			if r.Number != n || uuid.UUID(r.ID.Bytes).String() != "00000000-0000-0000-0000-00000000000"+digit ||
				string(r.Raw) != "raw"+digit || !slices.Equal(r.Many, strings.Split(strings.Repeat("x"+digit+" ", int(n)-1)+"x"+digit, " ")) ||
				r.CreateTime.Unix() != n || (r.Maybe != nil) != (n == 2) || r.own != 0 {
				t.Errorf("row %d: %+v", n, r)
			}
			if r.Maybe != nil && *r.Maybe != "even 2" {
				t.Errorf("row %d: %q", n, *r.Maybe)
			}
		}
	}
	if rows, err := readOnce[wide](t.Context(), db, wideRows, 0); err != nil || len(rows) != 0 {
		t.Errorf("no row: got %v, %v", rows, err)
	}
}

func TestColumnsAndFieldsMustMatch(t *testing.T) {
	t.Parallel()
	db := openWide(t)
	type named struct{ Name string }
	type more struct{ Name, Other string }
	type truth struct{ Name bool }
	for _, c := range []struct {
		name, want string
		read       func() (int, error)
	}{
		{"a column without a field", "column other has no field", func() (int, error) {
			rows, err := readOnce[named](t.Context(), db, unknownColumn)
			return len(rows), err
		}},
		{"a field without a column", "field other of", func() (int, error) {
			rows, err := readOnce[more](t.Context(), db, missingColumn)
			return len(rows), err
		}},
		{"a value of another type", "name", func() (int, error) {
			rows, err := readOnce[truth](t.Context(), db, missingColumn)
			return len(rows), err
		}},
	} {
		for range 2 {
			if n, err := c.read(); err == nil || n != 0 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %d rows, %v", c.name, n, err)
			}
		}
	}
	if rows, err := readOnce[named](t.Context(), db, missingColumn); err != nil || len(rows) != 1 || rows[0].Name != "a" {
		t.Errorf("afterwards: got %v, %v", rows, err)
	}
}

// Rows behind the last that is wanted are passed over, and the connection goes on.
func TestNoMoreRowsAreKeptThanAreWanted(t *testing.T) {
	t.Parallel()
	db := openWide(t)
	for range 3 {
		var got []wide
		var again []wide
		err := db.In(t.Context(), person("org_a"), func(tx *tenancy.Tx) (err error) {
			got, err = tenancy.RowsWhile(t.Context(), tx, wideRows, func(row *wide) bool { return row.Number < 3 }, 9)
			if err != nil {
				return err
			}
			again, err = tenancy.Rows[wide](t.Context(), tx, wideRows, 9)
			return err
		})
		if err != nil || len(got) != 3 || got[2].Number != 3 || len(again) != 9 {
			t.Errorf("%d rows and then %d, %v; want 3 and 9", len(got), len(again), err)
		}
	}
}

var (
	readNumber  = tenancy.Statement{Name: "test_number", SQL: `SELECT n AS number, 'x' AS word FROM generate_series(1, $1::integer) n`}
	readNumbers = tenancy.Statement{Name: "test_numbers", SQL: `SELECT n FROM generate_series(1, $1::integer) n`}
	readTimes   = tenancy.Statement{Name: "test_times", SQL: `SELECT CASE n WHEN 2 THEN 'epoch'::timestamptz END FROM generate_series(1, $1::integer) n`}
)

type numberRow struct {
	Number int32
	Word   string
}

func TestOneRowAndOneColumn(t *testing.T) {
	t.Parallel()
	db, err := tenancy.Open(t.Context(), tenancy.Options{
		URL: pgtest.New(t).AppURL, Schema: migrations.Latest(), Statements: []tenancy.Statement{readNumber, readNumbers, readTimes},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	once := func(read func(tx *tenancy.Tx) error) error { return db.Once(t.Context(), person("org_a"), read) }
	for rows, want := range map[int]*numberRow{0: nil, 1: {1, "x"}} {
		var got *numberRow
		err := once(func(tx *tenancy.Tx) (err error) {
			got, err = tenancy.One[numberRow](t.Context(), tx, readNumber, rows)
			return err
		})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("one of %d rows: %v\n%s", rows, err, diff)
		}
		var value int32
		err = once(func(tx *tenancy.Tx) (err error) {
			value, err = tenancy.Scalar[int32](t.Context(), tx, readNumbers, rows)
			return err
		})
		if value != int32(rows) || err != nil {
			t.Errorf("the value of %d rows: %d, %v", rows, value, err)
		}
	}
	var numbers []int32
	var times []*time.Time
	for what, read := range map[string]func(tx *tenancy.Tx) error{
		"numbers": func(tx *tenancy.Tx) (err error) {
			numbers, err = tenancy.Column[int32](t.Context(), tx, readNumbers, 3)
			return err
		},
		"times": func(tx *tenancy.Tx) (err error) {
			times, err = tenancy.Column[*time.Time](t.Context(), tx, readTimes, 3)
			return err
		},
	} {
		if err := once(read); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if !slices.Equal(numbers, []int32{1, 2, 3}) || len(times) != 3 || times[0] != nil || times[1] == nil || times[2] != nil {
		t.Errorf("columns %v and %v", numbers, times)
	}
	for what, read := range map[string]func(tx *tenancy.Tx) error{
		"one of two rows": func(tx *tenancy.Tx) error {
			_, err := tenancy.One[numberRow](t.Context(), tx, readNumber, 2)
			return err
		},
		"the value of two rows": func(tx *tenancy.Tx) error {
			_, err := tenancy.Scalar[int32](t.Context(), tx, readNumbers, 2)
			return err
		},
		"a column of two": func(tx *tenancy.Tx) error {
			_, err := tenancy.Column[int32](t.Context(), tx, readNumber, 2)
			return err
		},
		"a column of another type": func(tx *tenancy.Tx) error {
			_, err := tenancy.Column[time.Time](t.Context(), tx, readNumbers, 2)
			return err
		},
	} {
		if err := once(read); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
