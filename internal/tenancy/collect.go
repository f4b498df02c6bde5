package tenancy

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rowShape is how the columns of a statement lie in the fields of a struct. A statement
// always answers the same columns, so it is worked out once for each pair.
type rowShape struct {
	statement string // its SQL
	row       reflect.Type
}

// rowShapes are the indexes of the fields, [][]int in the order of the columns, by
// rowShape.
var rowShapes sync.Map

// collect reads rows into structs while more returns true of them, by column name: create_time goes to CreateTime.
// Every column needs a field and every exported field a column. One row is read into
// and copied, so that a row costs no more than its values.
func collect[T any](s Statement, rows pgx.Rows, more func(*T) bool) ([]T, error) {
	defer rows.Close()
	var row T
	value := reflect.ValueOf(&row).Elem()
	shape, err := fieldsOf(rowShape{statement: s.SQL, row: value.Type()}, rows.FieldDescriptions())
	if err != nil {
		return nil, err
	}
	targets := make([]any, len(shape))
	for i, field := range shape {
		targets[i] = value.FieldByIndex(field).Addr().Interface()
	}
	all := []T{}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		all = append(all, row)
		if !more(&row) {
			break
		}
	}
	rows.Close()
	return all, rows.Err()
}

func fieldsOf(key rowShape, columns []pgconn.FieldDescription) ([][]int, error) {
	known, _ := rowShapes.Load(key)
	if shape, ok := known.([][]int); ok {
		return shape, nil
	}
	if len(columns) == 0 {
		return nil, nil // refused before it had any
	}
	byName := map[string][]int{}
	for _, field := range reflect.VisibleFields(key.row) {
		if field.IsExported() && !field.Anonymous {
			byName[strings.ToLower(field.Name)] = field.Index
		}
	}
	shape := make([][]int, len(columns))
	for i, column := range columns {
		name := strings.ReplaceAll(strings.ToLower(column.Name), "_", "")
		index, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("column %s has no field in %v", column.Name, key.row)
		}
		delete(byName, name)
		shape[i] = index
	}
	for name := range byName {
		return nil, fmt.Errorf("field %s of %v has no column", name, key.row)
	}
	rowShapes.Store(key, shape)
	return shape, nil
}
