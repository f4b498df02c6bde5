package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// Whatever a variable holds, reading it ends, twice the same, and what is said of it is
// its name and none of its content.
func FuzzConfiguration(f *testing.F) {
	base := enough(f)
	maps.Copy(base, ofClerk)
	maps.Copy(base, ofStripe)
	maps.Copy(base, map[string]string{
		"LISTEN_ADDR": ":8080", "ADMIN_ADDR": "127.0.0.1:8081", "CLERK_API_URL": "https://api.example.com", "CLERK_AUTHORIZED_PARTIES": "https://a.example.com",
		"CLERK_AUDIENCE": "x", "STRIPE_API_URL": "https://s.example.com", "CORS_ORIGINS": "https://a.example.com", "ADMIN_ROLES": "org:admin", "ROLE_PERMISSIONS": "org:member=org:tasks:edit;guest=", "SEAT_GRACE_DAYS": "7",
		"PERSONAL_WORKSPACE": "on", "ALLOW_IMPERSONATION": "off", "REFLECTION": "off", "LOG_LEVEL": "info",
	})
	names := slices.Sorted(maps.Keys(base))
	for i, name := range names {
		for _, value := range []string{base[name], "", " ", ",", "\x00", "\xff", "x", "https://", "https://u:p@h", "postgres://%zz", "host=a password='", strings.Repeat("a,", 1000), base[name] + "," + base[name]} {
			f.Add(uint8(i), value)
		}
	}
	const mark = "qz9marker"
	f.Fuzz(func(t *testing.T, at uint8, value string) {
		name := names[int(at)%len(names)]
		if strings.Contains(value, "passfile") || strings.Contains(value, "service") || strings.Contains(value, "ssl") {
			return // would have the driver look for files
		}
		with := func(value string) (config, error) {
			env := maps.Clone(base)
			env[name] = value
			return readConfig(func(n string) (string, bool) { v, ok := env[n]; return v, ok })
		}
		_, err := with(value)
		_, again := with(value)
		switch {
		case (err == nil) != (again == nil), err != nil && err.Error() != again.Error():
			t.Errorf("%s=%q: %v, and then %v", name, value, err, again)
		case err != nil && !strings.Contains(err.Error(), name):
			t.Errorf("%s=%q: the error does not name it: %v", name, value, err)
		case err == nil && strings.TrimSpace(value) == "":
			t.Errorf("%s=%q is let through", name, value)
		}
		for _, marked := range []string{value + mark, mark + value, value + "," + mark} {
			if _, err := with(marked); err != nil && strings.Contains(err.Error(), mark) {
				t.Errorf("%s=%q: the error quotes it: %v", name, marked, err)
			}
		}
	})
}

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
		[]byte(`{"id":"x","name":"a\u0000b","updateMask":"name,done"}`), []byte(`{"name":"\ud83c\udf89","description":"\\u0000","other":[{"a":1e5}]}`), []byte(nested(63)), []byte(nested(64)),
		[]byte(`{"updateMask":"name","updateMask":"done"}`), []byte("{}\n"), []byte(`{"name":7}`), []byte("\xef\xbb\xbf{}"), {}, []byte(`{"pageSize":"` + strings.Repeat("é", 400) + `"}`), []byte("null"), maskOf(3), groups(3), groups(64), fields(1023, 3), fields(5, 3),
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

// What is inflated is the beginning of what gzip itself inflates, and never more than a
// message may be large.
func FuzzInflater(f *testing.F) {
	packed := func(data []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(data) // to memory
		_ = w.Close()
		return b.Bytes()
	}
	whole := packed([]byte(`{"name":"x"}`))
	for _, seed := range [][]byte{{}, whole, whole[:len(whole)-1], whole[:12], append(bytes.Clone(whole), whole...), append(bytes.Clone(whole), 'x'), packed(whole), packed(make([]byte, 2*messageLimit)), packed(make([]byte, messageLimit+1)), packed(make([]byte, messageLimit))} {
		f.Add(seed)
	}
	inflating := newInflater(messageLimit, newMemory(requestBytesMax, requestBytesMax/2))
	f.Fuzz(func(t *testing.T, data []byte) {
		var want []byte
		plain, wantErr := gzip.NewReader(bytes.NewReader(data))
		if wantErr == nil {
			want, wantErr = io.ReadAll(io.LimitReader(plain, messageLimit+1))
		}
		var got []byte
		err := inflating.Reset(bytes.NewReader(data)) // it is used again, also after an error
		if err == nil {
			got, err = io.ReadAll(inflating)
		}
		if !bytes.Equal(got, want) || len(got) > messageLimit+1 || (err == nil) != (wantErr == nil) {
			t.Errorf("%d bytes, %v; want %d, %v", len(got), err, len(want), wantErr)
		}
	})
}
