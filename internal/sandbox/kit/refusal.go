package kit

import (
	"errors"
	"fmt"
	"net/http"
)

// Refusal is an error with the HTTP status of its response and one sentence.
type Refusal struct {
	Status  int
	Message string
}

// Refuse returns a refusal with a formatted sentence.
func Refuse(status int, format string, args ...any) error {
	return &Refusal{Status: status, Message: fmt.Sprintf(format, args...)}
}

func (r *Refusal) Error() string { return r.Message }

// HTTPStatus returns the status of the response.
func (r *Refusal) HTTPStatus() int { return r.Status }

// StatusOf returns the HTTP status that an error carries, and 500 where it carries none.
func StatusOf(err error) int {
	if refused, ok := errors.AsType[interface {
		error
		HTTPStatus() int
	}](err); ok {
		return refused.HTTPStatus()
	}
	return http.StatusInternalServerError
}

// WriteRefusal writes an error as text.
func WriteRefusal(w http.ResponseWriter, err error) {
	status := StatusOf(err)
	if status == http.StatusUnprocessableEntity { // Clerk's status for a bad body
		status = http.StatusBadRequest
	}
	http.Error(w, err.Error(), status)
}
