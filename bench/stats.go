package main

import (
	"math"
	"slices"
	"time"
)

// quantile is the value below which the share q of the values lies, between two of
// them where it falls there. It is NaN for no values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// spread is the middle of some values and how far most of them lie apart.
type spread struct {
	Median float64 `json:"median"`
	Q10    float64 `json:"q10"`
	Q90    float64 `json:"q90"`
}

func spreadOf(values []float64) spread {
	return spread{Median: quantile(values, 0.5), Q10: quantile(values, 0.1), Q90: quantile(values, 0.9)}
}

// spreadBy is the spread of one figure of each item.
func spreadBy[T any](items []T, figure func(T) float64) spread {
	values := make([]float64, len(items))
	for i, item := range items {
		values[i] = figure(item)
	}
	return spreadOf(values)
}

// longest is the smallest latency that the share q of the calls stayed within: one
// that was measured, never one in between. The latencies are sorted.
func longest(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}
