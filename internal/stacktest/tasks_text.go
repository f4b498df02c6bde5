package stacktest

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/teamtask/teamtask/internal/wire"
)

func JSONOf(t *testing.T, m proto.Message) []byte {
	t.Helper()
	body, err := wire.JSON().Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
