package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// table is the objects of one kind by id, in the order in which they were made.
type table[T any] struct {
	rows  map[string]*T
	order []string // oldest first
}

func (t *table[T]) add(id string, row *T) *T {
	if t.rows == nil {
		t.rows = map[string]*T{}
	}
	t.rows[id] = row
	t.order = append(t.order, id)
	return row
}

func (t *table[T]) get(id string) (*T, bool) {
	row, ok := t.rows[id]
	return row, ok
}

func (t *table[T]) remove(id string) {
	delete(t.rows, id)
	t.order = slices.DeleteFunc(t.order, func(other string) bool { return other == id })
}

// where is the objects that pass, newest first.
func (t *table[T]) where(is func(*T) bool) []*T {
	var found []*T
	for _, id := range slices.Backward(t.order) {
		if is == nil || is(t.rows[id]) {
			found = append(found, t.rows[id])
		}
	}
	return found
}

func (t *table[T]) clone() table[T] {
	c := table[T]{rows: map[string]*T{}, order: slices.Clone(t.order)}
	for id, row := range t.rows {
		c.rows[id] = deepCopy(reflect.ValueOf(row)).Interface().(*T) //nolint:forcetypeassert,errcheck // a copy is of the same type
	}
	return c
}

// deepCopy copies what the objects are made of: structs with exported fields, pointers, slices and maps of plain values.
func deepCopy(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	switch v.Kind() { //nolint:exhaustive // all the rest is copied by its value
	case reflect.Pointer:
		if !v.IsNil() {
			c.Set(reflect.New(v.Type().Elem()))
			c.Elem().Set(deepCopy(v.Elem()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			c.Field(i).Set(deepCopy(v.Field(i)))
		}
	case reflect.Slice:
		if !v.IsNil() {
			c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			if v.Type().Elem().Kind() == reflect.Uint8 {
				reflect.Copy(c, v)
				return c
			}
			for i := range v.Len() {
				c.Index(i).Set(deepCopy(v.Index(i)))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			c.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
			for _, key := range v.MapKeys() {
				c.SetMapIndex(key, v.MapIndex(key))
			}
		}
	}
	return c
}

// document is an object as it stands in JSON now.
func document(object any) map[string]any {
	raw, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("sandbox: write %T: %v", object, err)) // a shape of ours that is no JSON
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		panic(fmt.Sprintf("sandbox: read %T: %v", object, err))
	}
	return doc
}

// difference is what an object had before of that which is another now: Stripe's previous_attributes.
func difference(before, now map[string]any) map[string]any {
	changed := map[string]any{}
	for key, was := range before {
		is := now[key]
		if reflect.DeepEqual(was, is) {
			continue
		}
		deep, one := was.(map[string]any)
		with, two := is.(map[string]any)
		if one && two && deep["id"] == with["id"] {
			changed[key] = difference(deep, with)
			continue
		}
		changed[key] = was
	}
	for key := range now {
		if _, ok := before[key]; !ok {
			changed[key] = nil
		}
	}
	return changed
}

// copied is a copy of metadata, never nil.
func copied(m hash) hash {
	if m == nil {
		return hash{}
	}
	return maps.Clone(m)
}
