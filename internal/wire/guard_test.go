package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
)

func TestDepthValuesAndTextsOfAMessageHaveTheirExactBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		data string
		want error
	}{
		{"depth 64", hostile.Nested(63), nil},
		{"depth 65", hostile.Nested(64), errDepth},
		{"64 levels in turn", hostile.ListOf(100, strings.Repeat("[", 62)+strings.Repeat("]", 62)), nil},
		{"20,000 values", hostile.ListOf(19_998, "1"), nil}, // the list and the object are two
		{"20,001 values", hostile.ListOf(19_999, "1"), errValues},
		{"10,000 empty lists", hostile.ListOf(10_000, "[]"), errValues},
		{"a text of 128 KiB", hostile.TextOf(128<<10 - 1), nil}, // and its end
		{"a text of 128 KiB and one", hostile.TextOf(128 << 10), errText},
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
		{"20,000 unknown fields", hostile.Fields(1023, 20_000), nil},
		{"20,001 unknown fields", hostile.Fields(1023, 20_001), errValues},
		{"64 paths of a mask", hostile.Mask(64), nil},
		{"65 paths of a mask", hostile.Mask(65), errPaths},
		{"64 paths of a mask that comes twice", bytes.Repeat(hostile.Mask(32), 2), nil},
		{"65 paths of a mask that comes again and again", bytes.Repeat(hostile.Mask(5), 13), errPaths},
		{"fields of a mask that are not known", protowire.AppendBytes([]byte("\x2a"), hostile.Fields(7, 65)), errPaths},
		{"63 groups", hostile.Groups(63), nil},
		{"64 groups", hostile.Groups(64), errDepth},
		{"as many groups in turn", bytes.Repeat(hostile.Groups(60), 100), nil},
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
	if hostile.RaceDetector() {
		processor *= 10
	}
	validator, err := protovalidate.New(protovalidate.WithMessages(&teamtaskv1.UpdateTaskRequest{}, &teamtaskv1.ListTasksRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range hostile.Costly() {
		packed := hostile.Gzip(t, data)
		read := protoCodec{}.Unmarshal
		if data[0] == '{' || data[0] == '[' || data[0] == '"' || data[0] == ',' || data[0] == '\n' {
			read = jsonCodec{}.Unmarshal
		}
		once := func(message proto.Message) {
			inflating := newDecompressor(hostile.MessageMax, unlimited{})
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
		took, allocated := hostile.Cost(t, func() { once(message) })
		t.Logf("%-28s %4d KiB, %6d in gzip: %6.2f ms, %5.2f MiB", name, len(data)>>10, len(packed), took.Seconds()*1e3, float64(allocated)/(1<<20))
		if took > processor || allocated > memory {
			t.Errorf("%s: %v of a processor, %d KiB", name, took, allocated>>10)
		}
	}
}

// What protojson takes, the guard takes, as long as it keeps to the bounds.
func FuzzJSONGuard(f *testing.F) {
	for _, seed := range []string{`{"name":"x"}`, hostile.Nested(63), hostile.Nested(64), `{"name":"\"[{\\"}`, `{"a":{"b":[1,2,"\u0000"]}}`, "\xef\xbb\xbf{}", "{}\x00", `"\`, `{"updateMask":"name,done"}`} {
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
	f.Add(hostile.Mask(3))
	f.Add(hostile.Groups(3))
	f.Add(hostile.Fields(1023, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		message := new(teamtaskv1.UpdateTaskRequest)
		guarded := guardBinary(data, message.ProtoReflect().Descriptor())
		if err := proto.Unmarshal(data, message); err == nil && guarded != nil && len(data) < depthMax {
			t.Errorf("%x: %v", data, guarded)
		}
	})
}
