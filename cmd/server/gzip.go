package main

import (
	"compress/gzip"
	"io"

	"connectrpc.com/connect"
)

// compression is gzip both ways, of which a request inflates no further than a message
// may be large.
func compression() connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return new(inflater) },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) })
}

// inflater ends one byte behind the largest message. Connect would inflate the rest as
// well, only to tell its size, and a small body can have a long rest.
type inflater struct {
	gzip.Reader
	left int
}

func (i *inflater) Read(p []byte) (int, error) {
	if i.left <= 0 {
		return 0, io.EOF
	}
	n, err := i.Reader.Read(p[:min(len(p), i.left)])
	i.left -= n
	return n, err
}

// Reset implements connect.Decompressor.
func (i *inflater) Reset(r io.Reader) error {
	i.left = readMax + 1
	return i.Reader.Reset(r)
}
