package main

import (
	"errors"
	"fmt"
)

// What is needed of HPACK (RFC 7541): to write a handful of headers, and to find two
// among those that come back. The other side is told to keep no table of its own, so
// that nothing has to be remembered in that direction.

const (
	staticEntries = 61
	tableMax      = 4096 // bytes that the server remembers of our headers, its default
	entryCost     = 32   // bytes of an entry beside name and value

	indexMethodPost = 3
	indexSchemeHTTP = 6
	indexStatus200  = 8
	indexStatusLast = 14 // 8 to 14 are all named :status
)

// The name that the outcome of a call stands under, as it is and in Huffman's code.
const (
	grpcStatus        = "grpc-status"
	grpcStatusHuffman = "\x9a\xca\xc8\xb2\x12\x34\xda\x8f"
)

var errHPACK = errors.New("a header block that cannot be read")

// field is a header to be written.
type field struct{ name, value string }

// encodeHeaders answers the block that teaches the other side the fields, and the one
// for every later request, which refers to what was taught.
func encodeHeaders(fields []field) (first, later []byte, err error) {
	first = []byte{0x80 | indexMethodPost, 0x80 | indexSchemeHTTP}
	later = append(later, first...)
	cost := 0
	for i, f := range fields {
		first = append(first, 0x40) // a new name, to be remembered
		first = appendString(first, f.name)
		first = appendString(first, f.value)
		later = append(later, 0x80|byte(staticEntries+len(fields)-i)) // the last one taught comes first
		cost += len(f.name) + len(f.value) + entryCost
	}
	if cost > tableMax {
		return nil, nil, fmt.Errorf("headers of %d bytes: a server remembers %d", cost, tableMax)
	}
	return first, later, nil
}

// appendString writes a string without Huffman's code.
func appendString(to []byte, s string) []byte {
	return append(appendInt(to, 0, 7, len(s)), s...)
}

// appendInt writes a number behind the flags, in a prefix of so many bits.
func appendInt(to []byte, flags byte, bits, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(to, flags|byte(n))
	}
	to = append(to, flags|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		to = append(to, byte(n)|0x80)
	}
	return append(to, byte(n))
}

// readInt reads a number in a prefix of so many bits.
func readInt(from []byte, bits int) (n int, rest []byte, err error) {
	if len(from) == 0 {
		return 0, nil, errHPACK
	}
	most := 1<<bits - 1
	n, from = int(from[0])&most, from[1:]
	if n < most {
		return n, from, nil
	}
	for shift := 0; len(from) > 0 && shift <= 21; shift += 7 {
		b := from[0]
		n, from = n+int(b&0x7f)<<shift, from[1:]
		if b&0x80 == 0 {
			return n, from, nil
		}
	}
	return 0, nil, errHPACK
}

func readString(from []byte) (s, rest []byte, err error) {
	n, rest, err := readInt(from, 7)
	if err != nil || n > len(rest) {
		return nil, nil, errHPACK
	}
	return rest[:n], rest[n:], nil
}

// outcome is what the headers of an answer say so far.
type outcome struct {
	ok     bool   // the HTTP status is 200
	status string // of gRPC; "" before the trailers
}

// read takes a header block into account.
func (o *outcome) read(block []byte) error {
	for len(block) > 0 {
		var index int
		var err error
		switch b := block[0]; {
		case b&0x80 != 0: // a field known to both
			if index, block, err = readInt(block, 7); err != nil {
				return err
			}
			if index == 0 || index > staticEntries {
				return errHPACK
			}
			if index >= indexStatus200 && index <= indexStatusLast {
				o.ok = index == indexStatus200
			}
			continue
		case b&0xe0 == 0x20: // the size of the table that we declined
			if index, block, err = readInt(block, 5); err != nil || index != 0 {
				return errHPACK
			}
			continue
		case b&0xc0 == 0x40:
			index, block, err = readInt(block, 6)
		default:
			index, block, err = readInt(block, 4)
		}
		if err != nil || index > staticEntries {
			return errHPACK
		}
		var name, value []byte
		if index == 0 {
			if name, block, err = readString(block); err != nil {
				return err
			}
		}
		if value, block, err = readString(block); err != nil {
			return err
		}
		switch {
		case index >= indexStatus200 && index <= indexStatusLast:
			return errors.New("an unusual HTTP status") // 200 has an index of its own
		case string(name) == grpcStatus, string(name) == grpcStatusHuffman:
			o.status = string(value) // one or two digits: never in Huffman's code
		}
	}
	return nil
}
