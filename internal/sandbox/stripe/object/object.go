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

// The shapes below are Stripe's at API version 2023-10-16, in answers and in the data of its events, as far as they mean anything
// here: what is always null or empty is left out, but for lists. They are also what the sandbox keeps. Fields without a name in
// JSON are its own.

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

// Copied is a copy of metadata, never nil.
func Copied(m Metadata) Metadata {
	if m == nil {
		return Metadata{}
	}
	return maps.Clone(m)
}
