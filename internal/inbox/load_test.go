package inbox_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// BenchmarkReceipt posts signed events, each different, while workers apply them: as
// many as 16 clients can, and 1,000 a second, whether or not they are answered in time.
func BenchmarkReceipt(b *testing.B) {
	b.Run("as many as possible", func(b *testing.B) { benchmarkReceipt(b, 16, 0) })
	b.Run("1000 a second", func(b *testing.B) { benchmarkReceipt(b, 64, time.Millisecond) })
}

func benchmarkReceipt(b *testing.B, clients int, every time.Duration) {
	b.Helper()
	x := newBox(b, withEffects(nil))
	x.start()
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	client := &http.Client{Transport: transport}
	body := eventBody(kind)
	body = body[:len(body)-1] + `,"padding":"` + string(bytes.Repeat([]byte("x"), 2000)) + `"}`
	work := make(chan time.Time) // when it is due
	if every > 0 {
		work = make(chan time.Time, b.N)
	}
	var took []time.Duration
	var lock sync.Mutex
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			var mine []time.Duration
			for due := range work {
				r := sign(secretA, newID(), time.Now(), body).request(context.Background(), x.url)
				if every == 0 {
					due = time.Now()
				}
				response, err := client.Do(r)
				if err != nil {
					b.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				mine = append(mine, time.Since(due))
				if response.StatusCode != http.StatusNoContent {
					b.Errorf("status %d", response.StatusCode)
				}
			}
			lock.Lock()
			defer lock.Unlock()
			took = append(took, mine...)
		})
	}
	b.ResetTimer()
	started := time.Now()
	for i := range b.N {
		due := started.Add(time.Duration(i) * every)
		if every > 0 {
			<-time.After(time.Until(due))
		}
		work <- due
	}
	close(work)
	group.Wait()
	b.StopTimer()
	received := b.Elapsed()
	applied := x.effects()
	x.until(b.N, doneSQL)
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/received.Seconds(), "events/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(applied)/float64(b.N), "applied-meanwhile")
}
