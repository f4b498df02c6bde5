// Package object is Stripe's objects as API version 2023-10-16 shows them: their shapes, their states, what follows from their
// fields alone, and the errors of the API. Responses, the data of events and the account all use these types. Fields that would
// always be null or empty are left out, except lists. Fields without a name in JSON are the sandbox's own.
package object

import "maps"

// Version is the version of the API.
const Version = "2023-10-16"

// List is a page of a list.
type List struct {
	Object  string `json:"object"`
	Data    []any  `json:"data"`
	HasMore bool   `json:"has_more"`
	URL     string `json:"url"`
}

// Metadata is the metadata of an object.
type Metadata = map[string]string

// Deleted is what is left of a deleted object.
type Deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

// Toggle is a feature that is on or off.
type Toggle struct {
	Enabled bool `json:"enabled"`
}

// QuantityMax is the largest quantity of a line.
const QuantityMax = 999_999

// Copied returns a copy of metadata, never nil.
func Copied(m Metadata) Metadata {
	if m == nil {
		return Metadata{}
	}
	return maps.Clone(m)
}
