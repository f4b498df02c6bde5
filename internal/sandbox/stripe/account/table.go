package account

import (
	"reflect"
	"slices"
)

// Table is the objects of one kind by id, in the order in which they were made.
type Table[T any] struct {
	rows  map[string]*T
	order []string // oldest first
}

// Add stores an object and returns it.
func (t *Table[T]) Add(id string, row *T) *T {
	if t.rows == nil {
		t.rows = map[string]*T{}
	}
	t.rows[id] = row
	t.order = append(t.order, id)
	return row
}

// Get returns the object with an id and reports whether there is one.
func (t *Table[T]) Get(id string) (*T, bool) {
	row, ok := t.rows[id]
	return row, ok
}

// Len returns the number of objects.
func (t *Table[T]) Len() int { return len(t.order) }

// Remove deletes the object with an id, if there is one.
func (t *Table[T]) Remove(id string) {
	delete(t.rows, id)
	t.order = slices.DeleteFunc(t.order, func(other string) bool { return other == id })
}

// Where returns the objects for which is returns true, newest first.
func (t *Table[T]) Where(is func(*T) bool) []*T {
	var found []*T
	for _, id := range slices.Backward(t.order) {
		if is == nil || is(t.rows[id]) {
			found = append(found, t.rows[id])
		}
	}
	return found
}

func (t *Table[T]) clone() Table[T] {
	c := Table[T]{rows: map[string]*T{}, order: slices.Clone(t.order)}
	for id, row := range t.rows {
		c.rows[id] = deepCopy(reflect.ValueOf(row)).Interface().(*T) //nolint:forcetypeassert,errcheck // a copy is of the same type
	}
	return c
}
