package localpg

import (
	"bytes"
	"io"
	"os"
	"sync"
)

const (
	tailMax = 4 << 10  // bytes of log that an error repeats
	logMax  = 16 << 20 // bytes of log file after which it starts over
)

// journal is where a program writes, and remembers its last lines. The zero value only remembers. A file is handed to
// the program itself, so that its log is complete even when we are gone before it.
type journal struct {
	file  *os.File
	start int64 // where the present program began to write to file

	mu   sync.Mutex
	to   io.Writer
	last []byte
}

// openJournal writes to a writer of the caller, or if that is nil to the log file of the home.
func openJournal(h *home, to io.Writer) (*journal, error) {
	if to != nil {
		return &journal{to: to}, nil
	}
	f, err := h.files.OpenFile(logFile, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.Size() > logMax {
		_ = f.Truncate(0)
	}
	return &journal{file: f}, h.who.own(f)
}

// begin forgets what an earlier program said.
func (j *journal) begin() {
	if j.file != nil {
		if info, err := j.file.Stat(); err == nil {
			j.start = info.Size()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = nil
}

// output is what the program gets as its standard output and error.
func (j *journal) output() io.Writer {
	if j.file != nil {
		return j.file
	}
	return j
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = append(j.last, p...)
	if over := len(j.last) - tailMax; over > 0 {
		j.last = bytes.Clone(j.last[over:])
	}
	if j.to != nil {
		_, _ = j.to.Write(p) // a writer that fails must not stop the server
	}
	return len(p), nil
}

// tail is the end of what the present program has said.
func (j *journal) tail() string {
	j.mu.Lock()
	last := bytes.Clone(j.last)
	j.mu.Unlock()
	if j.file != nil {
		if info, err := j.file.Stat(); err == nil {
			from := max(j.start, info.Size()-tailMax)
			last, _ = io.ReadAll(io.NewSectionReader(j.file, from, tailMax))
		}
	}
	return string(bytes.TrimSpace(last))
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
