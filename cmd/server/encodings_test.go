package main

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
)

// aCall is a method that the protocol carries, and a request of it.
func (p protocol) aCall(t testing.TB) (procedure string, message []byte) {
	t.Helper()
	if p.isGet() {
		return getTask, p.written(t, &teamtaskv1.GetTaskRequest{Id: newID(t)})
	}
	return createTask, p.written(t, &teamtaskv1.CreateTaskRequest{Name: "x"})
}

func TestAnEncodingThatCannotBeReadIsRefusedInEveryProtocol(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	for _, p := range protocols {
		procedure, message := p.aCall(t)
		whole := hostile.Gzip(t, message)
		broken := bytes.Clone(whole)
		broken[len(broken)-6] ^= 1 // in the checksum
		for _, c := range []struct {
			name, encoding string
			data           []byte
			want           refusal
		}{
			{"brotli", "br", message, noMethod},
			{"zstd", "zstd", message, noMethod},
			{"a name of nothing", "nothing", message, noMethod},
			{"the name in capitals", "GZIP", whole, noMethod},
			{"two encodings", "gzip, gzip", hostile.Gzip(t, whole), noMethod},
			{"gzip in gzip", "gzip", hostile.Gzip(t, whole), unreadable},
			{"gzip in gzip in gzip", "gzip", hostile.Gzip(t, hostile.Gzip(t, whole)), unreadable},
			{"not gzip", "gzip", message, unreadable},
			{"the header of a gzip", "gzip", whole[:10], unreadable},
			{"half a header", "gzip", whole[:5], unreadable},
			{"half a gzip", "gzip", whole[:len(whole)-9], unreadable},
			{"a gzip without its end", "gzip", whole[:len(whole)-1], unreadable},
			{"a wrong checksum", "gzip", broken, unreadable},
			{"garbage behind a gzip", "gzip", append(bytes.Clone(whole), "garbage"...), unreadable},
			{"a compressed message that says it is none", "identity", whole, unreadable},
		} {
			if p.isFramed() && c.encoding == "identity" {
				c.data = whole // flagged as compressed, which contradicts it
			}
			answer := p.put(s, procedure, token, c.data, c.encoding)
			s.expect(t, p.name+": "+c.name, answer, c.want)
			if answer.told(t).Reason == "" {
				t.Errorf("%s: %s: no reason", p.name, c.name)
			}
		}
		answer := p.put(s, procedure, token, whole, "gzip")
		if p.isGet() {
			s.expect(t, p.name+": a good one", answer, refusal{Code: 5, Reason: "TASK_NOT_FOUND"})
		} else {
			s.expect(t, p.name+": a good one", answer, refusal{})
		}
	}
	if n, want := s.count(`SELECT count(*) FROM tasks`), posts(); n != want {
		t.Errorf("%d tasks, want the %d of the calls that were right", n, want)
	}
}

// posts is how many of the protocols have a body.
func posts() int {
	n := 0
	for _, p := range protocols {
		if !p.isGet() {
			n++
		}
	}
	return n
}

// ofSize is a valid CreateTask of so many bytes in the protocol.
func (p protocol) ofSize(t *testing.T, size int) []byte {
	t.Helper()
	if p.isJSON() {
		return padded(size)
	}
	return paddedBinary(t, size)
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
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	const far = 240 // times: more does not fit a body
	for _, p := range protocols {
		if p.isGet() {
			continue // its message is in the headers, which have a bound of their own
		}
		envelope := 0
		if p.isFramed() {
			envelope = 5
		}
		s.expect(t, p.name+": at the limit of the wire", p.put(s, createTask, token, p.ofSize(t, wireLimit-envelope), ""), refusal{})
		s.expect(t, p.name+": one over the limit of the wire", p.put(s, createTask, token, p.ofSize(t, wireLimit-envelope+1), ""), tooLarge)
		s.expect(t, p.name+": at the limit", p.put(s, createTask, token, hostile.Gzip(t, p.ofSize(t, messageLimit)), "gzip"), refusal{})
		s.expect(t, p.name+": one over the limit", p.put(s, createTask, token, hostile.Gzip(t, p.ofSize(t, messageLimit+1)), "gzip"), tooLarge)
		s.expect(t, p.name+": far over the limit", p.put(s, createTask, token, hostile.Bomb(t, far<<20), "gzip"), tooLarge)

		// A thousand times the limit of the wire: most of it is never asked for.
		rest := &endless{}
		body := io.LimitReader(rest, 1000*wireLimit)
		if p.isFramed() {
			head := binary.BigEndian.AppendUint32([]byte{0}, 1000*wireLimit)
			body = io.MultiReader(bytes.NewReader(head), body)
		}
		answer := p.stream(s, createTask, token, map[string]string{"Content-Type": p.contentType}, body)
		s.expect(t, p.name+": a thousand times the limit of the wire", answer, tooLarge)
		if sent := rest.sent.Load(); sent > 100*wireLimit {
			t.Errorf("%s: %d MiB were taken of a body that is too large", p.name, sent>>20)
		}
	}
	if n, want := s.count(`SELECT count(*) FROM tasks`), 2*posts(); n != want {
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
	s := newStack(t, nil)
	token := s.token("alice", "d2-gamers", 2)
	type crowd struct {
		name string
		data []byte // and then its gzip
		want refusal
	}
	inJSON := []crowd{
		{"a list of a million", []byte(hostile.ListOf(1_000_000, "1")), tooLarge},
		{"the longest list that fits", []byte(hostile.ListOf(messageLimit/2-10, "1")), unreadable},
		{"a map of a million keys", []byte(distinct(1_000_000)), tooLarge},
		{"a map of as many keys as fit", []byte(distinct(100_000)), unreadable},
		{"a mask of a million paths", []byte(`{"updateMask":"` + strings.Repeat("a,", 1_000_000) + `a"}`), tooLarge},
		{"the longest mask that fits", []byte(`{"updateMask":"` + strings.Repeat("a,", messageLimit/2-20) + `a"}`), unreadable},
		{"100,000 arrays in each other", []byte(hostile.Nested(100_000)), unreadable},
	}
	inBinary := []crowd{
		{"a mask of a million paths", hostile.Mask(1_000_000), tooLarge},
		{"the longest mask that fits", hostile.Mask(messageLimit/3 - 10), unreadable},
		{"a million unknown fields", hostile.Fields(1023, 1_000_000), tooLarge},
		{"as many unknown fields as fit", hostile.Fields(1023, messageLimit/3), unreadable},
		{"100,000 groups in each other", hostile.Groups(100_000), unreadable},
		{"100,000 groups without an end", bytes.Repeat([]byte("\xfb\x3f"), 100_000), unreadable},
		{"500,000 groups in turn", bytes.Repeat([]byte("\x3b\x3c"), 500_000), unreadable},
	}
	for i := range inJSON {
		inJSON[i].data = hostile.Gzip(t, inJSON[i].data)
	}
	for i := range inBinary {
		inBinary[i].data = hostile.Gzip(t, inBinary[i].data)
	}
	for _, p := range protocols {
		if p.isGet() {
			continue
		}
		crowds := inBinary
		if p.isJSON() {
			crowds = inJSON
		}
		for _, c := range crowds {
			answer := p.put(s, updateTask, token, c.data, "gzip")
			s.expect(t, p.name+": "+c.name, answer, c.want)
			if words := answer.told(t).words; c.want.Code == unreadable.Code && !strings.HasPrefix(words, "the request cannot be read: ") {
				t.Errorf("%s: %s was read, and refused only then: %s", p.name, c.name, words)
			}
		}
	}
	if got := s.send(s.http1, http.MethodGet, "/healthz", "", nil, nil); got.status != http.StatusOK {
		t.Errorf("/healthz afterwards: %d", got.status)
	}
}
