package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// BodyMax is the largest request body that is read, in bytes.
const BodyMax = 1 << 20

// JSONType is the media type of JSON.
const JSONType = "application/json"

// WriteJSON writes body, which must be encodable, as JSON. It ignores a client that has gone away.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", JSONType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// BodyError says what is wrong with a JSON body. Its status is 400.
type BodyError struct {
	// Field is the field that is wrong. Empty: the body is not a JSON object at all.
	Field string
	// Want is the type that the field has. Empty: there is no such field.
	Want string
}

func (e *BodyError) Error() string {
	switch {
	case e.Field == "":
		return "The body is not a JSON object."
	case e.Want == "":
		return fmt.Sprintf("%s is not a valid parameter for this request.", e.Field)
	}
	return fmt.Sprintf("`%s` must be a `%s`.", e.Field, e.Want)
}

// HTTPStatus returns 400.
func (e *BodyError) HTTPStatus() int { return http.StatusBadRequest }

// DecodeJSON decodes one JSON value into the struct at into and refuses fields that the struct does not have. Its errors are
// *BodyError.
func DecodeJSON(raw []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			return &BodyError{}
		}
		return nil
	}
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && mistyped.Field != "" {
		return &BodyError{Field: mistyped.Field, Want: mistyped.Type.String()}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &BodyError{Field: strings.Trim(name, `"`)}
	}
	return &BodyError{}
}
