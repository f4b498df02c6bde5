package wire

import (
	"compress/gzip"
	"io"

	"connectrpc.com/connect"

	"github.com/teamtask/teamtask/internal/fault"
)

// Memory is the memory that one message takes while it is decompressed.
type Memory interface {
	// Buffer reserves what a buffer takes up that n bytes have been read into. It
	// reports whether there is room.
	Buffer(n int) bool
	// Release gives all of it back. It can be used again.
	Release()
}

// Compression is gzip both ways. Of a request it decompresses no more than messageMax bytes
// and one, as far as its memory has room.
func Compression(messageMax int, newMemory func() Memory) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return newDecompressor(messageMax, newMemory()) },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) })
}

// decompressor ends one byte after the largest message. Connect would decompress the rest
// as well, only to report its size, and a small body can have a long rest.
type decompressor struct {
	gzip.Reader
	max    int // bytes of a message
	memory Memory

	read int // bytes so far
}

func newDecompressor(messageMax int, memory Memory) *decompressor {
	return &decompressor{max: messageMax, memory: memory}
}

func (d *decompressor) Read(p []byte) (int, error) {
	left := d.max + 1 - d.read
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := d.Reader.Read(p[:min(len(p), left)])
	d.read += n
	if !d.memory.Buffer(d.read) {
		return n, fault.Overloaded.OnRead()
	}
	return n, err
}

// Reset implements connect.Decompressor.
func (d *decompressor) Reset(r io.Reader) error {
	d.memory.Release()
	d.read = 0
	return d.Reader.Reset(r)
}

// Close implements connect.Decompressor. It releases the memory: decoding what was
// decompressed waits for nothing, and the call counts the message again.
func (d *decompressor) Close() error {
	d.memory.Release()
	return d.Reader.Close()
}
