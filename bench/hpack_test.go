package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestNumbersComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{4, 5, 6, 7} {
		for _, n := range []int{0, 1, 14, 15, 16, 30, 31, 62, 63, 126, 127, 128, 255, 1337, 65535} {
			got, rest, err := readInt(append(appendInt(nil, 0, bits, n), 0xff), bits)
			if got != n || err != nil || !bytes.Equal(rest, []byte{0xff}) {
				t.Errorf("%d in %d bits: got %d, %v, %v", n, bits, got, rest, err)
			}
		}
	}
	if got := appendInt(nil, 0, 5, 1337); !bytes.Equal(got, []byte{0x1f, 0x9a, 0x0a}) { // RFC 7541, C.1.2
		t.Errorf("got %x", got)
	}
}

func TestOutcomeIsReadFromHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		block string
		want  outcome
	}{
		"status":            {"\x88", outcome{ok: true}},
		"other status":      {"\x8d", outcome{}},
		"size, status":      {"\x20\x88", outcome{ok: true}},
		"plain name":        {"\x00\x0bgrpc-status\x010", outcome{status: "0"}},
		"name in Huffman's": {"\x00\x88" + grpcStatusHuffman + "\x0216", outcome{status: "16"}},
		"to be remembered":  {"\x40\x88" + grpcStatusHuffman + "\x010", outcome{status: "0"}},
		"never remembered":  {"\x10\x0bgrpc-status\x010", outcome{status: "0"}},
		"beside others":     {"\x88\x0f\x10\x10application/grpc\x00\x01a\x01b", outcome{ok: true}},
	} {
		var got outcome
		if err := got.read([]byte(c.block)); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestHeadersThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for name, block := range map[string]string{
		"index 0":            "\x80",
		"index of a table":   "\xbe",
		"a table":            "\x21",
		"half a number":      "\xff",
		"endless number":     "\xff\xff\xff\xff\xff\xff\xff",
		"half a name":        "\x00\x0bgrpc",
		"no value":           "\x00\x01a",
		"half a value":       "\x00\x01a\x05b",
		"status in words":    "\x08\x03200",
		"name from a table":  "\x0f\x30\x01a",
		"name longer than 7": "\x00\x7f",
	} {
		if err := new(outcome).read([]byte(block)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestHeadersThatAServerDoesNotRememberAreRefused(t *testing.T) {
	t.Parallel()
	if _, _, err := encodeHeaders([]field{{"authorization", strings.Repeat("t", tableMax)}}); err == nil {
		t.Error("accepted")
	}
}
