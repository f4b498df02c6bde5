package main

import (
	"compress/gzip"
	"io"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/fault"
)

// compression is gzip both ways, of which a request inflates no further than its message
// may be large, within what all requests may take up.
func compression(messageMax int, requests *memory) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return newInflater(messageMax, requests) },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) })
}

// inflater ends one byte behind the largest message. Connect would inflate the rest as
// well, only to tell its size, and a small body can have a long rest.
type inflater struct {
	gzip.Reader
	most     int // bytes of a message
	requests *memory

	inflated int
	held     held
}

func newInflater(messageMax int, requests *memory) *inflater {
	return &inflater{most: messageMax, requests: requests}
}

func (i *inflater) Read(p []byte) (int, error) {
	left := i.most + 1 - i.inflated
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := i.Reader.Read(p[:min(len(p), left)])
	i.inflated += n
	if i.inflated > requestBytesFree && !i.held.grow(2*i.inflated) { // the buffer doubles
		return n, fault.Overloaded.OnRead()
	}
	return n, err
}

// Reset implements connect.Decompressor.
func (i *inflater) Reset(r io.Reader) error {
	i.giveBack()
	i.inflated = 0
	i.held = held{memory: i.requests}
	return i.Reader.Reset(r)
}

// Close implements connect.Decompressor. What it took is given back here: decoding what
// was inflated waits for nobody, and who holds the message counts it again.
func (i *inflater) Close() error {
	i.giveBack()
	return i.Reader.Close()
}

func (i *inflater) giveBack() {
	i.requests.give("", i.held.taken)
	i.held.taken = 0
}
