package account

import (
	"encoding/json"
	"fmt"
	"reflect"
)

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

// Document returns an object in its JSON form.
func Document(object any) map[string]any {
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

// difference returns the old values of the attributes that changed: Stripe's previous_attributes.
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
