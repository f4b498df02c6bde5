package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// What a caller may send, in bytes: on the wire, and once it is inflated.
const (
	wireLimit    = 256 << 10
	messageLimit = 1 << 20
)

// padded is a valid message in JSON of exactly so many bytes.
func padded(size int) []byte {
	message := `{"name":"x"}`
	return []byte(message + strings.Repeat(" ", size-len(message)))
}

// paddedBinary is a valid message in binary of exactly so many bytes: what is behind
// the name is a field that this server does not know.
func paddedBinary(t *testing.T, size int) []byte {
	t.Helper()
	message, err := proto.Marshal(&teamtaskv1.CreateTaskRequest{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	rest := size - len(message) - 3 // tag of two bytes, and the length in at least one
	for n := rest; ; n-- {
		length := 0
		for v := n; v >= 0x80; v >>= 7 {
			length++
		}
		if n+length == rest {
			message = append(message, 0xfa, 0x3f) // field 1023, bytes
			for v := n; ; v >>= 7 {
				if v < 0x80 {
					message = append(message, byte(v))
					break
				}
				message = append(message, byte(v)|0x80)
			}
			return append(message, bytes.Repeat([]byte("x"), n)...)
		}
	}
}

// expect compares an answer of any protocol; the zero refusal is success.
func (s *stack) expect(t *testing.T, name string, answer reply, want refusal) {
	t.Helper()
	isGRPC := strings.HasPrefix(answer.header.Get("Content-Type"), "application/grpc")
	if want.Code == 0 && !isGRPC {
		if answer.status != http.StatusOK {
			t.Errorf("%s: status %d, want 200: %.200s", name, answer.status, answer.body)
		}
		return
	}
	if diff := cmp.Diff(want, answer.told(t).refusal); diff != "" {
		t.Errorf("%s (-want +got):\n%s\n%.200s", name, diff, answer.body)
	}
}

// packed is a compressed message in its envelope.
func packed(message []byte) []byte {
	e := enveloped(message)
	e[0] = 1
	return e
}
