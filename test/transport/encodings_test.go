package transport

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// aCall is a method that the protocol carries, and a request of it.
func aCall(t testing.TB, p stacktest.Protocol) (procedure string, message []byte) {
	t.Helper()
	if p.IsGet() {
		return stacktest.GetTask, p.Written(t, &teamtaskv1.GetTaskRequest{Id: stacktest.NewID(t)})
	}
	return stacktest.CreateTask, p.Written(t, &teamtaskv1.CreateTaskRequest{Name: "x"})
}

func TestAnEncodingThatCannotBeReadIsRefusedInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	for _, p := range stacktest.Protocols {
		procedure, message := aCall(t, p)
		whole := hostile.Gzip(t, message)
		broken := bytes.Clone(whole)
		broken[len(broken)-6] ^= 1 // in the checksum
		for _, c := range []struct {
			name, encoding string
			data           []byte
			want           stacktest.Refusal
		}{
			{"brotli", "br", message, stacktest.NoMethod},
			{"zstd", "zstd", message, stacktest.NoMethod},
			{"a name of nothing", "nothing", message, stacktest.NoMethod},
			{"the name in capitals", "GZIP", whole, stacktest.NoMethod},
			{"two encodings", "gzip, gzip", hostile.Gzip(t, whole), stacktest.NoMethod},
			{"gzip in gzip", "gzip", hostile.Gzip(t, whole), stacktest.Unreadable},
			{"gzip in gzip in gzip", "gzip", hostile.Gzip(t, hostile.Gzip(t, whole)), stacktest.Unreadable},
			{"not gzip", "gzip", message, stacktest.Unreadable},
			{"the header of a gzip", "gzip", whole[:10], stacktest.Unreadable},
			{"half a header", "gzip", whole[:5], stacktest.Unreadable},
			{"half a gzip", "gzip", whole[:len(whole)-9], stacktest.Unreadable},
			{"a gzip without its end", "gzip", whole[:len(whole)-1], stacktest.Unreadable},
			{"a wrong checksum", "gzip", broken, stacktest.Unreadable},
			{"garbage behind a gzip", "gzip", append(bytes.Clone(whole), "garbage"...), stacktest.Unreadable},
			{"a compressed message that says it is none", "identity", whole, stacktest.Unreadable},
		} {
			if p.IsFramed() && c.encoding == "identity" {
				c.data = whole // flagged as compressed, which contradicts it
			}
			answer := p.Put(s, procedure, token, c.data, c.encoding)
			s.Expect(t, p.Name+": "+c.name, answer, c.want)
			if answer.Told(t).Reason == "" {
				t.Errorf("%s: %s: no reason", p.Name, c.name)
			}
		}
		answer := p.Put(s, procedure, token, whole, "gzip")
		if p.IsGet() {
			s.Expect(t, p.Name+": a good one", answer, stacktest.Refusal{Code: 5, Reason: "TASK_NOT_FOUND"})
		} else {
			s.Expect(t, p.Name+": a good one", answer, stacktest.Refusal{})
		}
	}
	if n, want := s.Count(`SELECT count(*) FROM tasks`), posts(); n != want {
		t.Errorf("%d tasks, want the %d of the calls that were right", n, want)
	}
}

// posts is how many of the protocols have a body.
func posts() int {
	n := 0
	for _, p := range stacktest.Protocols {
		if !p.IsGet() {
			n++
		}
	}
	return n
}

// ofSize is a valid CreateTask of so many bytes in the protocol.
func ofSize(t *testing.T, p stacktest.Protocol, size int) []byte {
	t.Helper()
	if p.IsJSON() {
		return stacktest.Padded(size)
	}
	return stacktest.PaddedBinary(t, size)
}

// endless is a body that goes on for as long as anybody reads.
type endless struct{ sent atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.sent.Add(int64(len(p)))
	return len(p), nil
}

func TestTheLargestMessageIsTheSameInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	const far = 240 // times: more does not fit a body
	for _, p := range stacktest.Protocols {
		if p.IsGet() {
			continue // its message is in the headers, which have a bound of their own
		}
		envelope := 0
		if p.IsFramed() {
			envelope = 5
		}
		s.Expect(t, p.Name+": at the limit of the wire", p.Put(s, stacktest.CreateTask, token, ofSize(t, p, stacktest.WireLimit-envelope), ""), stacktest.Refusal{})
		s.Expect(t, p.Name+": one over the limit of the wire", p.Put(s, stacktest.CreateTask, token, ofSize(t, p, stacktest.WireLimit-envelope+1), ""), tooLarge)
		s.Expect(t, p.Name+": at the limit", p.Put(s, stacktest.CreateTask, token, hostile.Gzip(t, ofSize(t, p, stacktest.MessageLimit)), "gzip"), stacktest.Refusal{})
		s.Expect(t, p.Name+": one over the limit", p.Put(s, stacktest.CreateTask, token, hostile.Gzip(t, ofSize(t, p, stacktest.MessageLimit+1)), "gzip"), tooLarge)
		s.Expect(t, p.Name+": far over the limit", p.Put(s, stacktest.CreateTask, token, hostile.Bomb(t, far<<20), "gzip"), tooLarge)

		// A thousand times the limit of the wire: most of it is never asked for.
		rest := &endless{}
		body := io.LimitReader(rest, 1000*stacktest.WireLimit)
		if p.IsFramed() {
			head := binary.BigEndian.AppendUint32([]byte{0}, 1000*stacktest.WireLimit)
			body = io.MultiReader(bytes.NewReader(head), body)
		}
		answer := p.Stream(s, stacktest.CreateTask, token, map[string]string{"Content-Type": p.ContentType}, body)
		s.Expect(t, p.Name+": a thousand times the limit of the wire", answer, tooLarge)
		if sent := rest.sent.Load(); sent > 100*stacktest.WireLimit {
			t.Errorf("%s: %d MiB were taken of a body that is too large", p.Name, sent>>20)
		}
	}
	if n, want := s.Count(`SELECT count(*) FROM tasks`), 2*posts(); n != want {
		t.Errorf("%d tasks, want the %d of the messages at the limits", n, want)
	}
}

// distinct is an unknown field with so many different keys.
func distinct(keys int) string {
	var all strings.Builder
	all.WriteString(`{"other":{`)
	for i := range keys {
		all.WriteString(`"` + strconv.Itoa(i) + `":1,`)
	}
	return strings.TrimSuffix(all.String(), ",") + "}}"
}

// However a crowd is packed, it is refused before it takes the memory of one.
func TestACrowdedMessageIsRefusedInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := stacktest.New(t, nil)
	token := s.Token("alice", "d2-gamers", 2)
	type crowd struct {
		name string
		data []byte // and then its gzip
		want stacktest.Refusal
	}
	inJSON := []crowd{
		{"a list of a million", []byte(hostile.ListOf(1_000_000, "1")), tooLarge},
		{"the longest list that fits", []byte(hostile.ListOf(stacktest.MessageLimit/2-10, "1")), stacktest.Unreadable},
		{"a map of a million keys", []byte(distinct(1_000_000)), tooLarge},
		{"a map of as many keys as fit", []byte(distinct(100_000)), stacktest.Unreadable},
		{"a mask of a million paths", []byte(`{"updateMask":"` + strings.Repeat("a,", 1_000_000) + `a"}`), tooLarge},
		{"the longest mask that fits", []byte(`{"updateMask":"` + strings.Repeat("a,", stacktest.MessageLimit/2-20) + `a"}`), stacktest.Unreadable},
		{"100,000 arrays in each other", []byte(hostile.Nested(100_000)), stacktest.Unreadable},
	}
	inBinary := []crowd{
		{"a mask of a million paths", hostile.Mask(1_000_000), tooLarge},
		{"the longest mask that fits", hostile.Mask(stacktest.MessageLimit/3 - 10), stacktest.Unreadable},
		{"a million unknown fields", hostile.Fields(1023, 1_000_000), tooLarge},
		{"as many unknown fields as fit", hostile.Fields(1023, stacktest.MessageLimit/3), stacktest.Unreadable},
		{"100,000 groups in each other", hostile.Groups(100_000), stacktest.Unreadable},
		{"100,000 groups without an end", bytes.Repeat([]byte("\xfb\x3f"), 100_000), stacktest.Unreadable},
		{"500,000 groups in turn", bytes.Repeat([]byte("\x3b\x3c"), 500_000), stacktest.Unreadable},
	}
	for i := range inJSON {
		inJSON[i].data = hostile.Gzip(t, inJSON[i].data)
	}
	for i := range inBinary {
		inBinary[i].data = hostile.Gzip(t, inBinary[i].data)
	}
	for _, p := range stacktest.Protocols {
		if p.IsGet() {
			continue
		}
		crowds := inBinary
		if p.IsJSON() {
			crowds = inJSON
		}
		for _, c := range crowds {
			answer := p.Put(s, stacktest.UpdateTask, token, c.data, "gzip")
			s.Expect(t, p.Name+": "+c.name, answer, c.want)
			if words := answer.Told(t).Words; c.want.Code == stacktest.Unreadable.Code && !strings.HasPrefix(words, "the request cannot be read: ") {
				t.Errorf("%s: %s was read, and refused only then: %s", p.Name, c.name, words)
			}
		}
	}
	if got := s.Send(s.HTTP1, http.MethodGet, "/healthz", "", nil, nil); got.Status != http.StatusOK {
		t.Errorf("/healthz afterwards: %d", got.Status)
	}
}
