package tasks

import (
	"strings"
	"testing"
)

// What is read for a page is what the page shows and one more, which says that there is a
// next page.
func TestAPageOfLongTextsIsReadNoFurther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		bytes, rows int
		size        int
		read, shown int
	}{
		{"short texts", 10, 300, 200, 201, 200},
		{"the end of the list", 10, 7, 200, 7, 7},
		{"long texts", 10_000, 300, 200, 27, 26},
		{"exactly as much as fits", pageBytesMax / 8, 300, 200, 9, 8},
		{"texts larger than a page", 2 * pageBytesMax, 300, 200, 2, 1},
		{"one task alone", 2 * pageBytesMax, 1, 200, 1, 1},
	} {
		more := untilFull()
		var read []task
		for i := range min(c.rows, c.size+1) {
			read = append(read, task{Name: strings.Repeat("x", min(c.bytes, 5)), Description: strings.Repeat("x", max(c.bytes-5, 0))})
			if !more(&read[i]) {
				break
			}
		}
		if shown := fitting(read, c.size); len(read) != c.read || shown != c.shown {
			t.Errorf("%s: %d tasks are read and %d shown, want %d and %d", c.name, len(read), shown, c.read, c.shown)
		}
	}
}
