package wire

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
)

// storable tells what every message that was read must be: it can be written, read
// again as the same, and holds no text that PostgreSQL cannot store.
func storable(t *testing.T, title string, message proto.Message) {
	t.Helper()
	if err := refuseNUL(message); err != nil {
		t.Errorf("%s: %v", title, err)
	}
	data, err := protoCodec{}.Marshal(message)
	if err != nil {
		t.Fatalf("%s: cannot be written: %v", title, err)
	}
	again := message.ProtoReflect().New().Interface()
	if err := (protoCodec{}).Unmarshal(data, again); err != nil || !proto.Equal(message, again) {
		t.Errorf("%s: is read as %v, and then as %v, %v", title, message, again, err)
	}
}

// oneLine wants words that fit into one short line, whatever the caller has sent.
func oneLine(t *testing.T, err error) {
	t.Helper()
	words := err.Error()
	if !utf8.ValidString(words) && utf8.RuneCountInString(words) <= decodeWordsMax {
		words = strings.ToValidUTF8(words, "?")
	}
	if utf8.RuneCountInString(words) > decodeWordsMax+len("...") || strings.ContainsFunc(words, unicode.IsControl) {
		t.Errorf("not one short line: %q", words)
	}
}

// What the codecs read can be kept; what they do not read they refuse in one line. They
// never read what the guard in front of them refuses.
func FuzzCodecs(f *testing.F) {
	for _, seed := range [][]byte{
		[]byte(`{"id":"x","name":"a\u0000b","updateMask":"name,done"}`), []byte(`{"name":"\ud83c\udf89","description":"\\u0000","other":[{"a":1e5}]}`), []byte(hostile.Nested(63)), []byte(hostile.Nested(64)),
		[]byte(`{"updateMask":"name","updateMask":"done"}`), []byte("{}\n"), []byte(`{"name":7}`), []byte("\xef\xbb\xbf{}"), {}, []byte(`{"pageSize":"` + strings.Repeat("é", 400) + `"}`), []byte("null"), hostile.Mask(3), hostile.Groups(3), hostile.Groups(64), hostile.Fields(1023, 3), hostile.Fields(5, 3),
		[]byte("\x0a\x01x\x12\x03a\x00b"), []byte("\x0a\x01\xff"), []byte("\x20\x01\x2a\x06\x0a\x04name"), bytes.Repeat([]byte("\x2a\x00"), 100),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, kind := range []proto.Message{new(teamtaskv1.UpdateTaskRequest), new(teamtaskv1.CreateTaskRequest), new(teamtaskv1.ListTasksRequest)} {
			inJSON, inBinary := proto.Clone(kind), proto.Clone(kind)
			if err := (jsonCodec{}).Unmarshal(data, inJSON); err != nil {
				oneLine(t, err)
			} else {
				storable(t, "JSON", inJSON)
				if _, err := guardJSON(data); err != nil {
					t.Errorf("read past the guard: %v", err)
				}
			}
			if err := (protoCodec{}).Unmarshal(data, inBinary); err != nil {
				oneLine(t, err)
			} else {
				storable(t, "binary", inBinary)
				if err := guardBinary(data, inBinary.ProtoReflect().Descriptor()); err != nil {
					t.Errorf("read past the guard: %v", err)
				}
			}
		}
	})
}
