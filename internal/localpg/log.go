package localpg

import (
	"bytes"
	"io"
	"os"
)

const (
	tailMax = 4 << 10  // bytes of log that an error repeats
	logMax  = 16 << 20 // bytes of log file after which it starts over
)

// log is the file that the programs of one cluster write to.
type log struct {
	file  *os.File
	start int64 // where the running program began to write
}

// openLog opens the log file of the home.
func openLog(h *home) (*log, error) {
	f, err := h.files.OpenFile(logFile, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.Size() > logMax {
		_ = f.Truncate(0)
	}
	return &log{file: f}, h.who.own(f)
}

// begin makes tail start at what is written from here on.
func (l *log) begin() {
	if info, err := l.file.Stat(); err == nil {
		l.start = info.Size()
	}
}

// tail returns the end of what the running program has written.
func (l *log) tail() string {
	info, err := l.file.Stat()
	if err != nil {
		return err.Error()
	}
	from := max(l.start, info.Size()-tailMax)
	last, _ := io.ReadAll(io.NewSectionReader(l.file, from, tailMax))
	return string(bytes.TrimSpace(last))
}
