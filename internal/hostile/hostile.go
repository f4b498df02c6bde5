// Package hostile makes messages that cost more to read than to send, for tests, and measures
// what they cost.
package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Nested returns an unknown field whose value holds so many arrays in each other.
func Nested(arrays int) string {
	return `{"other":` + strings.Repeat("[", arrays) + strings.Repeat("]", arrays) + `}`
}

// ListOf returns an unknown field with so many values.
func ListOf(values int, value string) string {
	return `{"other":[` + strings.TrimSuffix(strings.Repeat(value+",", values), ",") + `]}`
}

// TextOf returns an unknown field with a text of so many bytes, of which two are a quotation mark.
func TextOf(size int) string { return `{"other":"\"` + strings.Repeat("x", size-2) + `"}` }

// Fields returns so many empty fields of the number.
func Fields(number protowire.Number, n int) []byte {
	one := protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), nil)
	return bytes.Repeat(one, n)
}

// Mask returns an update whose mask has so many paths, in binary.
func Mask(paths int) []byte {
	mask := bytes.Repeat([]byte("\x0a\x01x"), paths)
	return protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), mask)
}

// Groups returns so many unknown groups in each other.
func Groups(n int) []byte {
	return append(bytes.Repeat([]byte("\xfb\x3f"), n), bytes.Repeat([]byte("\xfc\x3f"), n)...)
}

// Costly returns messages by name that are made to cost far more to read than to send.
func Costly() map[string][]byte {
	const whole = MessageMax - 64
	all := map[string][]byte{
		"1 MiB of [":                []byte(strings.Repeat("[", MessageMax)),
		"a list of 500,000":         []byte(ListOf(500_000, "1")),
		"a list of 300,000 lists":   []byte(ListOf(300_000, "[]")),
		"an object of 130,000 keys": []byte(`{"other":{` + strings.TrimSuffix(strings.Repeat(`"k":1,`, 130_000), ",") + `}}`),
		"1 MiB of commas":           []byte(strings.Repeat(",", MessageMax)),
		"a number of 1 MiB":         []byte(`{"pageSize":` + strings.Repeat("9", whole) + `}`),
		"a great exponent":          []byte(`{"pageSize":1e` + strings.Repeat("9", whole) + `}`),
		"a text of 1 MiB":           []byte(TextOf(whole)),
		"the longest texts":         []byte(ListOf(7, `"`+strings.Repeat(`\u0000`, 128<<10/6-1)+`"`)),
		"1 MiB of quotation marks":  []byte(strings.Repeat(`"`, MessageMax)),
		"1 MiB of backslashes":      []byte(`{"name":"` + strings.Repeat(`\`, whole)),
		"a mask of 1 MiB":           []byte(`{"updateMask":"` + strings.TrimSuffix(strings.Repeat("a,", whole/2), ",") + `"}`),
		"the longest mask":          []byte(`{"updateMask":"` + strings.TrimSuffix(strings.Repeat("a,", 19_998), ",") + `","name":"\u0000"}`),
		"the longest valid mask":    []byte(`{"updateMask":"` + strings.TrimSuffix(strings.Repeat("a,", 19_000), ",") + `","name":"x"}`),
		"a mask with escapes":       []byte(`{"updateMask":"` + strings.Repeat(`a\u002c`, 128<<10/7-1) + `a","name":"\u0000"}`),
		"an error of 128 KiB":       []byte(`{"pageSize":"` + strings.Repeat("é", 60_000) + `"}`),
		"line ends":                 []byte(strings.Repeat("\n", whole) + "x"),
		"unknown fields":            Fields(1023, MessageMax/3),
		"one unknown field":         protowire.AppendBytes([]byte("\xfa\x3f"), make([]byte, whole)),
		"100,000 groups":            bytes.Repeat([]byte("\xfb\x3f"), 100_000),
		"500,000 empty groups":      bytes.Repeat([]byte("\x3b\x3c"), 500_000),
		"paths of a mask":           Mask(300_000),
		"the most paths of a mask":  append(Mask(19_998), "\x12\x01\x00"...),
		"the most valid paths":      append(Mask(19_000), "\x12\x01x"...),
		"masks":                     Fields(5, MessageMax/2),
	}
	for _, depth := range []int{100, 1_000, 9_990, 10_100, 200_000} {
		all[fmt.Sprintf("%d arrays in each other", depth)] = []byte(Nested(depth))
	}
	return all
}

// RaceDetector reports whether the race detector runs, with which everything takes about ten
// times as long.
func RaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// Cost returns what a run takes of the processor and of memory.
func Cost(t *testing.T, run func()) (processor time.Duration, memory uint64) {
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

// processorTime returns what the process has used of its processors so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Bomb returns a valid message of about size bytes, packed by a thousand. Its white space
// is one piece repeated, which a gzip may be made of.
func Bomb(t testing.TB, size int) []byte {
	t.Helper()
	packed := Gzip(t, []byte(`{"name":"x"`))
	packed = append(packed, bytes.Repeat(Gzip(t, bytes.Repeat([]byte(" "), 1<<20)), size>>20)...)
	return append(packed, Gzip(t, []byte(`}`))...)
}

// Gzip returns the data in gzip.
func Gzip(t testing.TB, data []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(data) // to memory
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// MessageMax is the largest message that the server takes, in bytes, once it is decompressed.
const MessageMax = 1 << 20
