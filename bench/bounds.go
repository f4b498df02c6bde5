package main

import (
	"bytes"
	"fmt"
)

// bounds are what the body of a right answer looks like. Its length is bounded, not
// fixed: the server's JSON may hold a space where ours has none, and one text is
// longer than another.
type bounds struct {
	least, most int // bytes
	json        bool
}

// boundsAround are those of answers that are about so long.
func boundsAround(length int, json bool) bounds {
	return bounds{least: length * 4 / 5, most: length * 5 / 4, json: json}
}

func (b bounds) check(body []byte) error {
	if len(body) < b.least || len(body) > b.most {
		return fmt.Errorf("an answer of %d bytes instead of %d to %d: %.*q", len(body), b.least, b.most, wordsMax, body)
	}
	if b.json && (!bytes.HasPrefix(body, []byte("{")) || !bytes.HasSuffix(body, []byte("}"))) {
		return fmt.Errorf("an answer that is not a JSON object: %.*q", wordsMax, body)
	}
	return nil
}
