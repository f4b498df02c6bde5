// Package examples_test follows the examples to the letter.
package examples_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// block is a fenced block of a Markdown file: shell commands, or a change of a file.
type block struct{ kind, path, text string }

func blocks(t *testing.T, document string) []block {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var found []block
	for i, part := range strings.Split("\n"+string(text), "\n```") {
		if i%2 == 0 {
			continue // between blocks
		}
		head, body, _ := strings.Cut(part, "\n")
		kind, path, _ := strings.Cut(head, " ")
		found = append(found, block{kind, path, body})
	}
	return found
}

// apply changes the file: lines are added and removed behind the line that precedes them.
func (b block) apply(t *testing.T, root string) {
	t.Helper()
	path := filepath.Join(root, b.path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, at := strings.Split(string(text), "\n"), -1
	find := func(line string) int {
		at := slices.Index(lines, line)
		if at < 0 || slices.Contains(lines[at+1:], line) {
			t.Fatalf("%s does not have this line exactly once: %q", b.path, line)
		}
		return at
	}
	for line := range strings.SplitSeq(b.text, "\n") {
		switch {
		case strings.HasPrefix(line, "+"):
			at++
			lines = slices.Insert(lines, at, line[1:])
		case strings.HasPrefix(line, "-"):
			at = find(line[1:])
			lines = slices.Delete(lines, at, at+1)
			at--
		default:
			at = find(strings.TrimPrefix(line, " "))
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyRepository copies what is not made by a build into a folder of the test.
func copyRepository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	made := []string{".git", ".dev", ".build", "bin", "node_modules"}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(made, entry.Name()) {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil // a worktree's .git is a file
		}
		to := filepath.Join(root, strings.TrimPrefix(path, ".."))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, info.Mode().Perm())
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// generate is `make generate` without TypeScript, whose generator comes from npm.
const generate = `make --silent .build/protovalidate/buf/validate/validate.proto .build/details/google/rpc/error_details.proto
go tool -modfile=tools/go.mod buf generate proto --template '{"version": "v2", "plugins": [
  {"local": ["go", "tool", "-modfile=tools/go.mod", "protoc-gen-go"], "out": "gen", "opt": "paths=source_relative"},
  {"local": ["go", "tool", "-modfile=tools/go.mod", "protoc-gen-connect-go"], "out": "gen", "opt": ["paths=source_relative", "simple"]}]}'
go tool -modfile=tools/go.mod buf build proto -o gen/teamtask.binpb`

func TestNotesAreAddedAsWritten(t *testing.T) {
	t.Parallel()
	root := copyRepository(t)
	run := func(script string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s\n%v\n%s", script, err, out)
		}
	}
	steps := blocks(t, "notes/README.md")
	if len(steps) < 10 {
		t.Fatalf("only %d steps found", len(steps))
	}
	for _, step := range steps {
		switch {
		case step.kind == "diff":
			step.apply(t, root)
		case step.kind != "":
			t.Fatalf("a block of %q is neither commands nor a change", step.kind)
		case strings.TrimSpace(step.text) == "make generate":
			run(generate)
		default:
			run(step.text)
		}
	}
}
