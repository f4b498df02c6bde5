package wire

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/hostile"
)

// What is inflated is the beginning of what gzip itself inflates, and never more than a
// message may be large.
func FuzzInflater(f *testing.F) {
	packed := func(data []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(data) // to memory
		_ = w.Close()
		return b.Bytes()
	}
	whole := packed([]byte(`{"name":"x"}`))
	for _, seed := range [][]byte{{}, whole, whole[:len(whole)-1], whole[:12], append(bytes.Clone(whole), whole...), append(bytes.Clone(whole), 'x'), packed(whole), packed(make([]byte, 2*hostile.MessageMax)), packed(make([]byte, hostile.MessageMax+1)), packed(make([]byte, hostile.MessageMax))} {
		f.Add(seed)
	}
	d := newDecompressor(hostile.MessageMax, unlimited{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var want []byte
		plain, wantErr := gzip.NewReader(bytes.NewReader(data))
		if wantErr == nil {
			want, wantErr = io.ReadAll(io.LimitReader(plain, hostile.MessageMax+1))
		}
		var got []byte
		err := d.Reset(bytes.NewReader(data)) // it is used again, also after an error
		if err == nil {
			got, err = io.ReadAll(d)
		}
		if !bytes.Equal(got, want) || len(got) > hostile.MessageMax+1 || (err == nil) != (wantErr == nil) {
			t.Errorf("%d bytes, %v; want %d, %v", len(got), err, len(want), wantErr)
		}
	})
}

// Inflating what is too large anyway would let a body of 256 KiB keep a processor busy
// for 256 MiB.
// unlimited is memory without a limit.
type unlimited struct{}

func (unlimited) Buffer(int) bool { return true }
func (unlimited) Release()        {}

// limited is memory of so many bytes, and what was done with it.
type limited struct{ max, buffered, released int }

func (b *limited) Buffer(n int) bool { b.buffered = n; return n <= b.max }
func (b *limited) Release()          { b.released++ }

func TestABombIsDecompressedNoFurtherThanAMessage(t *testing.T) {
	t.Parallel()
	packed := hostile.Bomb(t, 16<<20)

	d := newDecompressor(hostile.MessageMax, unlimited{})
	for range 2 { // it is used again
		if err := d.Reset(bytes.NewReader(packed)); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, d); n != hostile.MessageMax+1 || err != nil {
			t.Errorf("decompressed %d bytes, %v; want %d", n, err, hostile.MessageMax+1)
		}
	}
}

func TestDecompressingEndsWhereThereIsNoMemory(t *testing.T) {
	t.Parallel()
	memory := &limited{max: 64 << 10}
	d := newDecompressor(hostile.MessageMax, memory)
	if err := d.Reset(bytes.NewReader(hostile.Bomb(t, hostile.MessageMax))); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, d); err == nil || n > int64(memory.buffered) || !strings.Contains(err.Error(), "too much to do") {
		t.Errorf("decompressed %d bytes, %v", n, err)
	}
	if err := d.Close(); err != nil || memory.released != 2 {
		t.Errorf("released %d times, want at the start and at the end; %v", memory.released, err)
	}
}
