package sandbox

import (
	"errors"
	"fmt"
	"net/http"
)

// refusal is an answer to someone who asked for what there is not or what is not theirs: a status and one sentence.
type refusal struct {
	status int
	words  string
}

func refuse(status int, format string, args ...any) error {
	return &refusal{status: status, words: fmt.Sprintf(format, args...)}
}

func (r *refusal) Error() string { return r.words }

// writeRefusal answers with a refusal as text. Any other error is a fault of the sandbox.
func writeRefusal(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if r, ok := errors.AsType[*refusal](err); ok {
		status = r.status
	}
	http.Error(w, err.Error(), status)
}
