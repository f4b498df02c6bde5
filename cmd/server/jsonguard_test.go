package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// nested is an unknown field whose value holds so many arrays in each other.
func nested(arrays int) string {
	return `{"other":` + strings.Repeat("[", arrays) + strings.Repeat("]", arrays) + `}`
}

// listOf is an unknown field with so many values.
func listOf(values int, value string) string {
	return `{"other":[` + strings.TrimSuffix(strings.Repeat(value+",", values), ",") + `]}`
}

// textOf is an unknown field with a text of so many bytes, of which two are a quotation mark.
func textOf(size int) string { return `{"other":"\"` + strings.Repeat("x", size-2) + `"}` }

// fields are so many empty fields of the number.
func fields(number protowire.Number, n int) []byte {
	one := protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), nil)
	return bytes.Repeat(one, n)
}

// maskOf is an update whose mask has so many paths, in binary.
func maskOf(paths int) []byte {
	mask := bytes.Repeat([]byte("\x0a\x01x"), paths)
	return protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), mask)
}

// groups are so many unknown groups in each other.
func groups(n int) []byte {
	return append(bytes.Repeat([]byte("\xfb\x3f"), n), bytes.Repeat([]byte("\xfc\x3f"), n)...)
}

func TestDepthValuesAndTextsOfAMessageHaveTheirExactBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		data string
		want error
	}{
		{"depth 64", nested(63), nil},
		{"depth 65", nested(64), errDepth},
		{"64 levels in turn", listOf(100, strings.Repeat("[", 62)+strings.Repeat("]", 62)), nil},
		{"20,000 values", listOf(19_998, "1"), nil}, // the list and the object are two
		{"20,001 values", listOf(19_999, "1"), errValues},
		{"10,000 empty lists", listOf(10_000, "[]"), errValues},
		{"a text of 128 KiB", textOf(128<<10 - 1), nil}, // and its end
		{"a text of 128 KiB and one", textOf(128 << 10), errText},
		{"a long name of a field", `{"` + strings.Repeat("x", 128<<10) + `":1}`, errText},
		{"a number of 1,000 digits", `{"other":[1,` + strings.Repeat("1", 1_000) + `,-1.5e+7]}`, nil},
		{"a number of 1,001 digits", `{"other":` + strings.Repeat("1", 1_001) + `}`, errNumber},
		{"brackets and commas in a text", `{"other":"` + strings.Repeat("[{,", 19_998) + `"}`, nil},
		{"a text of 20,000 values", `{"updateMask":"` + strings.Repeat("a,", 19_998) + `a"}`, nil},
		{"a text of 20,001 values", `{"updateMask":"` + strings.Repeat("a,", 19_999) + `a"}`, errValues},
		{"escaped commas in a text", `{"updateMask":"` + strings.Repeat(`a\u002c`, 16_000) + `a"}`, nil},
		{"brackets behind a quotation mark in a text", `{"other":"\"` + strings.Repeat("[", 100) + `"}`, nil},
		{"brackets behind a text that ends in a backslash", `{"other":"\\","more":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, errDepth},
		{"brackets behind three backslashes and a quotation mark", `{"other":"\\\"` + strings.Repeat("[", 100) + `"}`, nil},
		{"a byte order mark", "\xef\xbb\xbf{}", errBOM},
		{"a byte of zero behind the message", "{}\x00", errRawNUL},
		{"a byte of zero in a text", "{\"name\":\"x\x00\"}", errRawNUL},
	} {
		for _, name := range []string{"json", "json; charset=utf-8"} {
			if err := (jsonCodec{name: name}).Unmarshal([]byte(c.data), new(teamtaskv1.CreateTaskRequest)); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		}
	}
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"20,000 unknown fields", fields(1023, 20_000), nil},
		{"20,001 unknown fields", fields(1023, 20_001), errValues},
		{"64 paths of a mask", maskOf(64), nil},
		{"65 paths of a mask", maskOf(65), errPaths},
		{"64 paths of a mask that comes twice", bytes.Repeat(maskOf(32), 2), nil},
		{"65 paths of a mask that comes again and again", bytes.Repeat(maskOf(5), 13), errPaths},
		{"fields of a mask that are not known", protowire.AppendBytes([]byte("\x2a"), fields(7, 65)), errPaths},
		{"63 groups", groups(63), nil},
		{"64 groups", groups(64), errDepth},
		{"as many groups in turn", bytes.Repeat(groups(60), 100), nil},
	} {
		if err := (protoCodec{}).Unmarshal(c.data, new(teamtaskv1.UpdateTaskRequest)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// What follows the decoding takes time for each path: 19,000 took 16 ms.
func TestAMaskNamesABoundedNumberOfFields(t *testing.T) {
	t.Parallel()
	mask := func(paths int, comma string) string {
		return `{"updateMask":"` + strings.Repeat("a"+comma, paths-1) + `a"}`
	}
	for _, c := range []struct {
		name, data string
		want       error
	}{
		{"64 paths", mask(64, ","), nil},
		{"65 paths", mask(65, ","), errPaths},
		{"65 paths with escaped commas", mask(65, `\u002c`), errPaths},
		{"19,000 paths", mask(19_000, ","), errPaths},
		{"a field under its name in the contract", strings.Replace(mask(65, ","), "updateMask", "update_mask", 1), errPaths},
		{"a field whose name is escaped", strings.Replace(mask(65, ","), "updateMask", `\u0075pdateMask`, 1), errPaths},
		{"a description with as many commas", strings.Replace(mask(5_000, ","), "updateMask", "description", 1), nil},
	} {
		if err := (jsonCodec{name: "json"}).Unmarshal([]byte(c.data), new(teamtaskv1.UpdateTaskRequest)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for contentType, body := range map[string][]byte{"application/json": []byte(mask(65, ",")), "application/proto": maskOf(65)} {
		answer := s.send(s.http1, http.MethodPost, updateTask, token, map[string]string{"Content-Type": contentType}, bytes.NewReader(body))
		s.expect(t, contentType, answer, unreadable)
		if got := answer.told(t).words; contentType == "application/json" && !strings.Contains(got, "name more than 64 fields") {
			t.Errorf("%s: %q", contentType, got)
		}
	}
}

func TestAMessageThatWouldCostMuchIsRefusedInClearWords(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	const json, charset, grpcJSON = "application/json", "application/json; charset=utf-8", "application/grpc-web+json"
	for _, c := range []struct {
		contentType, body, words string
	}{
		{json, nested(10_000), "nested more than 64 levels deep"},
		{charset, nested(10_000), "nested more than 64 levels deep"},
		{grpcJSON, nested(10_000), "nested more than 64 levels deep"},
		{json, listOf(100_000, "1"), "more than 20,000 values"},
		{json, "\xef\xbb\xbf{}", "byte order mark"},
		{json, "{\x00}", "byte of zero"},
		{json, textOf(200 << 10), "a text is longer than 128 KiB"},
		{"application/proto", string(groups(100)), "nested more than 64 levels deep"},
		{"application/grpc-web", string(fields(1023, 50_000)), "more than 20,000 values"},
	} {
		for _, zipped := range []bool{false, true} {
			header, body := map[string]string{"Content-Type": c.contentType}, []byte(c.body)
			if zipped {
				body = gzipped(t, body)
				maps.Copy(header, map[string]string{"Content-Encoding": "gzip", "Grpc-Encoding": "gzip"})
			}
			if strings.HasPrefix(c.contentType, "application/grpc") {
				body = enveloped(body)
				if zipped {
					body[0] = 1
				}
			}
			answer := s.send(s.http1, http.MethodPost, createTask, token, header, bytes.NewReader(body))
			s.expect(t, c.words, answer, unreadable)
			if got := answer.told(t).words; !strings.HasPrefix(got, "the request cannot be read: ") || !strings.Contains(got, c.words) {
				t.Errorf("%s in %s: %q", c.words, c.contentType, got)
			}
		}
	}
}

// costly are messages made to cost far more to read than to send.
func costly() map[string][]byte {
	const whole = messageLimit - 64
	all := map[string][]byte{
		"1 MiB of [":                []byte(strings.Repeat("[", messageLimit)),
		"a list of 500,000":         []byte(listOf(500_000, "1")),
		"a list of 300,000 lists":   []byte(listOf(300_000, "[]")),
		"an object of 130,000 keys": []byte(`{"other":{` + strings.TrimSuffix(strings.Repeat(`"k":1,`, 130_000), ",") + `}}`),
		"1 MiB of commas":           []byte(strings.Repeat(",", messageLimit)),
		"a number of 1 MiB":         []byte(`{"pageSize":` + strings.Repeat("9", whole) + `}`),
		"a great exponent":          []byte(`{"pageSize":1e` + strings.Repeat("9", whole) + `}`),
		"a text of 1 MiB":           []byte(textOf(whole)),
		"the longest texts":         []byte(listOf(7, `"`+strings.Repeat(`\u0000`, 128<<10/6-1)+`"`)),
		"1 MiB of quotation marks":  []byte(strings.Repeat(`"`, messageLimit)),
		"1 MiB of backslashes":      []byte(`{"name":"` + strings.Repeat(`\`, whole)),
		"a mask of 1 MiB":           []byte(`{"updateMask":"` + strings.TrimSuffix(strings.Repeat("a,", whole/2), ",") + `"}`),
		"the longest mask":          []byte(`{"updateMask":"` + strings.TrimSuffix(strings.Repeat("a,", 19_998), ",") + `","name":"\u0000"}`),
		"the longest valid mask":    []byte(`{"updateMask":"` + strings.TrimSuffix(strings.Repeat("a,", 19_000), ",") + `","name":"x"}`),
		"a mask with escapes":       []byte(`{"updateMask":"` + strings.Repeat(`a\u002c`, 128<<10/7-1) + `a","name":"\u0000"}`),
		"an error of 128 KiB":       []byte(`{"pageSize":"` + strings.Repeat("é", 60_000) + `"}`),
		"line ends":                 []byte(strings.Repeat("\n", whole) + "x"),
		"unknown fields":            fields(1023, messageLimit/3),
		"one unknown field":         protowire.AppendBytes([]byte("\xfa\x3f"), make([]byte, whole)),
		"100,000 groups":            bytes.Repeat([]byte("\xfb\x3f"), 100_000),
		"500,000 empty groups":      bytes.Repeat([]byte("\x3b\x3c"), 500_000),
		"paths of a mask":           maskOf(300_000),
		"the most paths of a mask":  append(maskOf(19_998), "\x12\x01\x00"...),
		"the most valid paths":      append(maskOf(19_000), "\x12\x01x"...),
		"masks":                     fields(5, messageLimit/2),
	}
	for _, depth := range []int{100, 1_000, 9_990, 10_100, 200_000} {
		all[fmt.Sprintf("%d arrays in each other", depth)] = []byte(nested(depth))
	}
	return all
}

// raced tells whether the race detector runs, with which everything takes about ten
// times as long.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// All that is between the bytes of a hostile message and its refusal or acceptance:
// inflating, decoding, validating. Time is that of the processor and not of the clock, on
// the average of several in the best of a few rounds. On an idle machine the most is 5 ms,
// against the 10 that are wanted; the bound is twice that, as a processor that is shared
// is slower.
//
//nolint:paralleltest // it measures the process
func TestAHostileMessageCostsLittle(t *testing.T) {
	processor, memory := 20*time.Millisecond, uint64(16<<20)
	if raced() {
		processor *= 10
	}
	validator, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range costly() {
		packed := gzipped(t, data)
		read := protoCodec{}.Unmarshal
		if data[0] == '{' || data[0] == '[' || data[0] == '"' || data[0] == ',' || data[0] == '\n' {
			read = jsonCodec{}.Unmarshal
		}
		once := func(message proto.Message) {
			inflating := newInflater(messageLimit, newMemory(requestBytesMax, requestBytesMax/2))
			if err := inflating.Reset(bytes.NewReader(packed)); err != nil {
				t.Fatal(err)
			}
			inflated := bytes.NewBuffer(make([]byte, 0, len(data)+bytes.MinRead))
			if _, err := io.Copy(inflated, inflating); err != nil {
				t.Fatal(err)
			}
			if read(inflated.Bytes(), message) == nil {
				_ = validator.Validate(message) // what it answers is not the question
			}
		}
		var message proto.Message = new(teamtaskv1.UpdateTaskRequest)
		if bytes.Contains(data, []byte("pageSize")) {
			message = new(teamtaskv1.ListTasksRequest)
		}
		took, allocated := costOf(t, func() { once(message) })
		t.Logf("%-28s %4d KiB, %6d in gzip: %6.2f ms, %5.2f MiB", name, len(data)>>10, len(packed), took.Seconds()*1e3, float64(allocated)/(1<<20))
		if took > processor || allocated > memory {
			t.Errorf("%s: %v of a processor, %d KiB", name, took, allocated>>10)
		}
	}
}

// costOf is what a run takes of the processor and of memory.
func costOf(t *testing.T, run func()) (processor time.Duration, memory uint64) {
	t.Helper()
	const rounds, runs = 3, 3
	run() // what is made once is made now
	runtime.GC()
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	processor = time.Hour
	for range rounds {
		started := processorTime(t)
		for range runs {
			run()
		}
		processor = min(processor, (processorTime(t)-started)/runs)
	}
	runtime.ReadMemStats(&to)
	return processor, (to.TotalAlloc - from.TotalAlloc) / (rounds * runs)
}

// processorTime is what the process has used of its processors so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// What protojson takes, the guard takes, as long as it keeps to the bounds.
func FuzzJSONGuard(f *testing.F) {
	for _, seed := range []string{`{"name":"x"}`, nested(63), nested(64), `{"name":"\"[{\\"}`, `{"a":{"b":[1,2,"\u0000"]}}`, "\xef\xbb\xbf{}", "{}\x00", `"\`, `{"updateMask":"name,done"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, guarded := guardJSON(data)
		read := protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, new(teamtaskv1.UpdateTaskRequest))
		bounded := len(data) < valuesMax && !errors.Is(guarded, errNumber) && !errors.Is(guarded, errDepth) && bytes.IndexByte(data, 0) < 0 && !bytes.HasPrefix(data, []byte("\xef\xbb\xbf"))
		if read == nil && bounded && guarded != nil {
			t.Errorf("%q: %v", data, guarded)
		}
		if errors.Is(guarded, errNumber) && len(data) <= numberMax {
			t.Errorf("%q: %v", data, guarded)
		}
		if read == nil && errors.Is(guarded, errDepth) && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= depthMax {
			t.Errorf("%q: %v", data, guarded)
		}
	})
}

// What protobuf takes, the guard takes, as long as it keeps to the bounds.
func FuzzBinaryGuard(f *testing.F) {
	f.Add(maskOf(3))
	f.Add(groups(3))
	f.Add(fields(1023, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		message := new(teamtaskv1.UpdateTaskRequest)
		guarded := guardBinary(data, message.ProtoReflect().Descriptor())
		if err := proto.Unmarshal(data, message); err == nil && guarded != nil && len(data) < depthMax {
			t.Errorf("%x: %v", data, guarded)
		}
	})
}
