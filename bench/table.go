package main

import (
	"fmt"
	"io"
)

// print writes the figures for people.
func (r report) print(out io.Writer) {
	state := ""
	if r.Modified {
		state = ", with changes"
	}
	fmt.Fprintf(out, "\nteamtask %.12s%s, %s, PostgreSQL %s, connect %s, pgx %s\n",
		r.Commit, state, r.Versions.Go, r.Versions.Postgres, r.Versions.Connect, r.Versions.PGX)
	fmt.Fprintf(out, "%s/%s, %d cores, %s, load %s\n", r.Machine.OS, r.Machine.Arch, r.Machine.Cores, r.Machine.CPU, r.Machine.Load)
	fmt.Fprintf(out, "closed loop of %d connections, %d rounds of slices of %.0f ms, %d tasks stored\n\n",
		r.Settings.Connections, r.Settings.Rounds, r.Settings.SliceMS, r.Settings.Tasks)

	fmt.Fprintf(out, "%-39s%9s%15s%9s%9s%11s%13s%11s\n",
		"", "calls/s", "q10..q90", "p50 ms", "p99 ms", "server us", "postgres us", "generator")
	for _, row := range r.Rows {
		row.print(out, row, "product")
		row.QueryFloor.figures.print(out, row, "query floor")
		row.EchoFloor.figures.print(out, row, "echo floor")
	}
	fmt.Fprintf(out, "\n%-39s%20s%22s%22s%20s%20s%8s\n",
		"", "calls/s", "p50", "p99", "calls/cpu-s", "calls/server-cpu-s", "others")
	for _, row := range r.Rows {
		row.QueryFloor.print(out, row, "/ query floor")
		row.EchoFloor.print(out, row, "/ echo floor")
	}
	fmt.Fprintf(out, "\nstart to ready, schema in place: %.0f ms (%.0f..%.0f of %d starts); resident then %.0f MiB, at most %.0f MiB under load\n",
		r.Product.ReadyMS.Median, r.Product.ReadyMS.Q10, r.Product.ReadyMS.Q90, r.Product.Starts, r.Product.RSSMiB.Median, r.Product.RSSMaxMiB)
	fmt.Fprintln(out, "us: processor time a call. cpu-s: a second of processor time of server and PostgreSQL. generator, others: their share")
	fmt.Fprintln(out, "of the machine. A ratio is the median (q10..q90) over slices side by side: of calls 1 is as good as the floor and less")
	fmt.Fprintln(out, "is slower, of p50 and p99 more is slower. One machine holds the generator, the server and PostgreSQL: quote ratios.")
}

func (f figures) print(out io.Writer, of row, name string) {
	fmt.Fprintf(out, "%-11s%-14s%-14s%9.0f%15s%9.2f%9.2f%11.1f%13.1f%9.0f %%\n", of.Op, of.Protocol, name,
		f.RPS, fmt.Sprintf("%.0f..%.0f", f.RPSQ10, f.RPSQ90), f.P50, f.P99, f.ServerCPU.Median, f.PostgresCPU.Median, 100*f.GeneratorShare)
}

func (f floorReport) print(out io.Writer, of row, name string) {
	fmt.Fprintf(out, "%-11s%-14s%-14s%20s%22s%22s%20s%20s%6.0f %%\n", of.Op, of.Protocol, name,
		f.RatioRPS, f.RatioP50, f.RatioP99, f.RatioCPU, f.RatioServerCPU, 100*of.OthersShare)
}

// String is the median, with the others behind it.
func (s spread) String() string { return fmt.Sprintf("%.2f (%.2f..%.2f)", s.Median, s.Q10, s.Q90) }
