package billing

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
)

// BenchmarkAssign says how many seats are given in one organization in a second, by 16
// callers at once.
func BenchmarkAssign(b *testing.B) {
	const callers = 16
	f := newFixtureWith(b, setting{grace: week, connections: callers})
	const people = 20_000
	f.exec(`
		INSERT INTO members (tenant_id, user_id, membership_id, role, name, name_key, email, email_key, ticket)
		SELECT $1, 'user_' || i, 'orgmem_' || i, 'org:member', '', '', '', '', 0
		  FROM generate_series(0, $2::integer - 1) AS i`, ours, people)
	f.has(ours, bought("sub_1", statusActive, people))
	f.exec(`ANALYZE`) // as PostgreSQL does by itself, a minute later
	var next atomic.Int64
	b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0))) // so many for each processor
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			n := next.Add(1)
			if n%people == 0 {
				f.exec(`DELETE FROM seats`)
			}
			if _, _, err := f.Assign(b.Context(), boss(ours), "user_"+strconv.FormatInt(n%people, 10)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "assigns/s")
}
