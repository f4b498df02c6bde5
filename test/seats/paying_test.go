package seats

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/teamtask/teamtask/gen/teamtask/v1/teamtaskv1connect"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// licensing is a client of the licensing with the token.
func licensing(s *stacktest.Stack, token string) teamtaskv1connect.LicensingServiceClient {
	return teamtaskv1connect.NewLicensingServiceClient(
		&http.Client{Transport: s.Transport(token, s.HTTP1)}, s.URL, connect.WithProtoJSON())
}

// into reads a message of a client that knows only descriptors as ours.
func into(t testing.TB, from, to proto.Message) {
	t.Helper()
	data, err := proto.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}

// payloadOf is what the token claims.
func payloadOf(t testing.TB, token string) []byte {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
