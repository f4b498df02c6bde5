package clerk

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/teamtask/teamtask/internal/outbound"
)

// crowd is an organization's members behind pages, as Clerk lists them.
type crowd struct {
	ids     []string
	pages   int
	pageMax int                 // rows; 0: Clerk's
	between func(c *crowd)      // after each page
	count   func(there int) int // what is said to be the total
	row     func(id string) string
	bare    bool // people, whom Clerk lists as an array
}

func newCrowd(n int) *crowd {
	c := &crowd{row: func(id string) string {
		return `{"id":"orgmem_` + id + `","role":"org:member","organization":{"id":"org_acme"},"public_user_data":{"user_id":"` + id + `"}}`
	}}
	for i := range n {
		c.ids = append(c.ids, fmt.Sprintf("user_%04d", i))
	}
	return c
}

// newPeople is a list of people.
func newPeople(n int) *crowd {
	c := newCrowd(n)
	c.bare, c.row = true, func(id string) string { return `{"id":"` + id + `"}` }
	return c
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	if limit < 1 || limit > 500 {
		sends(http.StatusUnprocessableEntity, clerkSays("form_param_invalid"))(w, r)
		return
	}
	if c.pageMax > 0 {
		limit = min(limit, c.pageMax)
	}
	var rows []string
	for _, id := range c.ids[min(offset, len(c.ids)):min(offset+limit, len(c.ids))] {
		rows = append(rows, c.row(id))
	}
	total := len(c.ids)
	if c.count != nil {
		total = c.count(total)
	}
	if c.bare {
		sends(http.StatusOK, "["+strings.Join(rows, ",")+"]")(w, r)
	} else {
		sends(http.StatusOK, listJSON(total, rows...))(w, r)
	}
	c.pages++
	if c.between != nil {
		c.between(c)
	}
}

func (c *crowd) remove(i int) { c.ids = append(c.ids[:i:i], c.ids[i+1:]...) }

// read lists the members and asserts that all who were there throughout came once, and
// nobody twice.
func (c *crowd) read(t *testing.T, s *stand) (given map[string]int) {
	t.Helper()
	s.answer = c.ServeHTTP
	before, given := append([]string(nil), c.ids...), map[string]int{}
	if c.bare {
		for _, u := range collect(t, s.client.Users(t.Context())) {
			given[u.ID]++
		}
	} else {
		for _, m := range collect(t, s.client.Memberships(t.Context(), "org_acme")) {
			given[m.User]++
		}
	}
	still := map[string]bool{}
	for _, id := range c.ids {
		still[id] = true
	}
	for _, id := range before {
		if still[id] && given[id] != 1 {
			t.Errorf("%s was there throughout and came %d times", id, given[id])
		}
	}
	for id, n := range given {
		if n > 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	return given
}

func TestAListIsReadInFewPages(t *testing.T) {
	t.Parallel()
	for n, pages := range map[int]int{0: 1, 1: 1, 499: 1, 500: 1, 501: 2, 999: 2, 1000: 3, 1234: 3} {
		run(t, func(s *stand) {
			t := s.t
			c := newCrowd(n)
			if got := len(c.read(t, s)); got != n || c.pages != pages {
				t.Errorf("%d of %d rows in %d pages, want %d", got, n, c.pages, pages)
			}
			people := newPeople(n)
			if got := len(people.read(t, s)); got != n || people.pages > pages+1 {
				t.Errorf("%d of %d people in %d pages, want %d or one more", got, n, people.pages, pages)
			}
		})
	}
}

func TestNobodyIsMissedOrGivenTwiceWhileTheListMoves(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(*crowd){
		"one leaves":              func(c *crowd) { c.remove(0) },
		"the last of a page":      func(c *crowd) { c.remove(min(499, len(c.ids)-1)) },
		"one ahead leaves":        func(c *crowd) { c.remove(len(c.ids) - 1) },
		"one comes last":          func(c *crowd) { c.ids = append(c.ids, fmt.Sprintf("user_late%d", c.pages)) },
		"one comes first":         func(c *crowd) { c.ids = append([]string{fmt.Sprintf("user_new%d", c.pages)}, c.ids...) },
		"one leaves, one comes":   func(c *crowd) { c.remove(3); c.ids = append(c.ids, fmt.Sprintf("user_late%d", c.pages)) },
		"twenty leave":            func(c *crowd) { c.ids = c.ids[20:] },
		"a whole page leaves":     func(c *crowd) { c.ids = c.ids[min(500, len(c.ids)-1):] },
		"all but one leave":       func(c *crowd) { c.ids = c.ids[len(c.ids)-1:] },
		"one leaves in two pages": func(c *crowd) { c.remove(c.pages % 2 * 400) },
	} {
		run(t, func(s *stand) {
			t := s.t
			for _, c := range []*crowd{newCrowd(1234), newPeople(1234)} {
				times := 0
				c.between = func(c *crowd) {
					if times++; times <= 4 && len(c.ids) > 1 {
						between(c)
					}
				}
				c.read(t, s)
				t.Logf("%s: %d pages", name, c.pages)
			}
		})
	}
}

func TestAListThatNeverComesToRestIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*crowd{
		"fewer than counted": {count: func(there int) int { return there + 1 }},
		"all at once gone":   {count: func(int) int { return 7 }},
	} {
		run(t, func(s *stand) {
			t := s.t
			if name == "fewer than counted" {
				c.ids = newCrowd(600).ids
			}
			c.row = newCrowd(0).row
			s.answer = c.ServeHTTP
			var last error
			for _, err := range s.client.Memberships(t.Context(), "org_acme") {
				last = err
			}
			want(t, last, Unavailable)
			if c.pages > 3*(setbacksMax+1) {
				t.Errorf("%s: %d pages", name, c.pages)
			}
		})
	}
}

func TestAServerWithSmallerPagesIsReadToTheEnd(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		c := newCrowd(95)
		c.pageMax = 10
		if got := len(c.read(t, s)); got != 95 {
			t.Errorf("%d of 95 rows", got)
		}
	})
}

func TestAPageTooLargeIsAskedForInParts(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		c := newCrowd(300)
		metadata := `{"note":"` + strings.Repeat("x", 15<<10) + `"}`
		c.row = func(id string) string { return memberJSON("org_acme", id, metadata) }
		if got := len(c.read(t, s)); got != 300 || c.pages != 3 {
			t.Errorf("%d of 300 rows in %d pages", got, c.pages)
		}
		c.ids = c.ids[:1]
		large := memberJSON("org_acme", c.ids[0], `{"note":"`+strings.Repeat("x", outbound.BodyMax)+`"}`)
		c.row = func(string) string { return large }
		var last error
		for _, err := range s.client.Memberships(t.Context(), "org_acme") {
			last = err
		}
		want(t, last, Unavailable)
	})
}

func TestTheNextPageIsAskedForOnlyWhenTheLoopGetsThere(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		c := newCrowd(1234)
		s.answer = c.ServeHTTP
		n := 0
		for range s.client.Memberships(t.Context(), "org_acme") {
			if n++; n == 500 {
				break
			}
		}
		if c.pages != 1 {
			t.Errorf("%d pages for 500 rows", c.pages)
		}
	})
}

func TestAnErrorEndsTheList(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		c := newCrowd(1234)
		c.between = func(*crowd) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.answer = sends(http.StatusNotFound, clerkSays("resource_not_found"))
		}
		s.answer = c.ServeHTTP
		rows, errs := 0, 0
		for _, err := range s.client.Memberships(t.Context(), "org_acme") {
			if err != nil {
				want(t, err, NotFound)
				errs++
				continue
			}
			rows++
		}
		if rows != 500 || errs != 1 {
			t.Errorf("%d rows and %d errors", rows, errs)
		}
	})
	run(t, func(s *stand) { // and a trouble that passes does not
		t := s.t
		c := newCrowd(1234)
		s.script = []http.HandlerFunc{c.ServeHTTP, sends(502, "<html>"), hangs, c.ServeHTTP, sends(429, "", "Retry-After", "3")}
		started := time.Now()
		if got := len(c.read(t, s)); got != 1234 || time.Since(started) < 5*time.Second+3*time.Second {
			t.Errorf("%d rows after %v", got, time.Since(started))
		}
	})
}
