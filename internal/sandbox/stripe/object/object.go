// Package object is Stripe's objects as API version 2023-10-16 shows them: their shapes, their states, what follows from their
// fields alone, and the errors of the API.
package object

import (
	"maps"
)

const (
	Version = "2023-10-16"
)

type List struct {
	Object  string `json:"object"`
	Data    []any  `json:"data"`
	HasMore bool   `json:"has_more"`
	URL     string `json:"url"`
}

// The shapes are those of responses and of the data of events. Fields that would always be null or empty are left out, except
// lists. The sandbox stores the same types. Fields without a name in JSON are its own.

type Metadata = map[string]string

// Deleted is what is left of a deleted object.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

type Toggle struct {
	Enabled bool `json:"enabled"`
}

const QuantityMax = 999_999

// Copied returns a copy of metadata, never nil.
func Copied(m Metadata) Metadata {
	if m == nil {
		return Metadata{}
	}
	return maps.Clone(m)
}
