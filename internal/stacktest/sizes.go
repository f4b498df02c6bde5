package stacktest

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// What a caller may send, in bytes: on the wire, and once it is inflated.
const (
	WireLimit    = 256 << 10
	MessageLimit = 1 << 20
)

// Padded is a valid message in JSON of exactly so many bytes.
func Padded(size int) []byte {
	message := `{"name":"x"}`
	return []byte(message + strings.Repeat(" ", size-len(message)))
}

// PaddedBinary is a valid message in binary of exactly so many bytes: what is behind
// the name is a field that this server does not know.
func PaddedBinary(t *testing.T, size int) []byte {
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

// Packed is a compressed message in its envelope.
func Packed(message []byte) []byte {
	e := Enveloped(message)
	e[0] = 1
	return e
}
