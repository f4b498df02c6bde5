package inbox

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
)

// Thing is what an event is about, in ids alone. The zero Thing is an event that does not
// say so.
type Thing struct {
	// Party is whose event it is: an organization, a customer, or else a person. Those of
	// one party with many events go behind those of others.
	Party string
	// Subject is what is fetched for the event. Deliveries of one consumer with the same
	// party and subject merge: the fetch for one settles all that came before it. Those
	// with "" do not.
	Subject string
	Person  string // the id of the person it is about, or ""
	About   string // for people to read, such as "customer cus_1"
}

// shape is how the events of a provider are read.
type shape struct {
	// thing reads what an event of the kind is about.
	thing func(kind string, body []byte) Thing
	// reduced is the body with ids alone: what a consumer needs to apply the event.
	reduced func(body []byte) []byte
}

var shapes = map[string]shape{
	clerkName:  {thing: clerkThing, reduced: reducedClerk},
	stripeName: {thing: stripeThing, reduced: reducedStripe},
}

// shapeOf is the shape of the provider's events. Of an unknown provider nothing is kept.
func shapeOf(provider string) shape {
	if s, ok := shapes[provider]; ok {
		return s
	}
	return shape{
		thing:   func(string, []byte) Thing { return Thing{} },
		reduced: func([]byte) []byte { return []byte(`{}`) },
	}
}

// plainForm is what an id may look like that somebody else chose, such as "user-4711".
var plainForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$`)

// plainID is an id as it stands in a body. What is not of an id's form is "".
type plainID string

// UnmarshalJSON implements json.Unmarshaler. It takes everything.
func (p *plainID) UnmarshalJSON(raw []byte) error {
	*p = ""
	var text string
	if json.Unmarshal(raw, &text) == nil && plainForm.MatchString(text) {
		*p = plainID(text)
	}
	return nil
}

// reference is an id that stands alone or in the object that it is of.
type reference struct{ plainID }

// UnmarshalJSON implements json.Unmarshaler. It takes everything.
func (r *reference) UnmarshalJSON(raw []byte) error {
	var object struct {
		ID plainID `json:"id"`
	}
	if json.Unmarshal(raw, &object) == nil {
		r.plainID = object.ID
		return nil
	}
	return r.plainID.UnmarshalJSON(raw)
}

// MarshalJSON implements json.Marshaler.
func (r reference) MarshalJSON() ([]byte, error) { return json.Marshal(r.plainID) }

// own is the id where it has the form of the provider's own ids, and "" otherwise.
func (p plainID) own() string {
	if idForm.MatchString(string(p)) {
		return string(p)
	}
	return ""
}

// plainWord is a type or another word of the provider's; what is none is "".
type plainWord string

// UnmarshalJSON implements json.Unmarshaler. It takes everything.
func (p *plainWord) UnmarshalJSON(raw []byte) error {
	var text string
	*p = ""
	if json.Unmarshal(raw, &text) == nil && !strings.Contains(text, "@") {
		*p = plainWord(word(text))
	}
	return nil
}

// readable reports whether a body could be read by the error of reading it. A field of
// another type than expected is read as an absent one.
func readable(err error) bool {
	_, otherType := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || otherType
}

// written is the JSON of a document of ours.
func written(document any) []byte {
	raw, err := json.Marshal(document)
	if err != nil {
		return []byte(`{}`) // a document of ours is never refused
	}
	return raw
}
