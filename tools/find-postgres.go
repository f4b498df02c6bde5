// A file to run, not a package of the tools: what it imports is pinned in the go.mod above.

//go:build ignore

// Command find-postgres prints the folder of the PostgreSQL programs that tests and
// `make run` use, and fails if there are none on this machine.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/teamtask/teamtask/internal/localpg"
)

func main() {
	dir, err := localpg.Installed(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "find-postgres:", err)
		os.Exit(1)
	}
	fmt.Println(dir)
}
