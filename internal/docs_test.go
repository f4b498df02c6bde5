package internal_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const readmeMax = 120 // lines

// link is [text](target) in Markdown.
var link = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]+)\)`)

// documents returns the Markdown files of the repository, by path from its root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "node_modules" || strings.HasPrefix(name, ".") && name != ".." && name != ".github"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".md"):
			return nil
		}
		text, err := os.ReadFile(path)
		found[strings.TrimPrefix(filepath.ToSlash(path), "../")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d documents found", len(found))
	}
	return found
}

func TestLinksOfTheDocumentsResolve(t *testing.T) {
	t.Parallel()
	for path, text := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(match[2], "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			at := filepath.Join("..", filepath.Dir(path), target)
			info, err := os.Stat(at)
			if err != nil {
				t.Errorf("%s links to %s, which is not there", path, match[2])
				continue
			}
			if !strings.HasPrefix(match[1], "Test") || info.IsDir() {
				continue
			}
			code, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(code, []byte("func "+match[1]+"(")) {
				t.Errorf("%s names the test %s, which is not in %s", path, match[1], target)
			}
		}
	}
}

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	if got := strings.Count(documents(t)["README.md"], "\n"); got > readmeMax {
		t.Errorf("the README has %d lines, want at most %d", got, readmeMax)
	}
}

// What the README shows of the TypeScript client is a part of the program that runs.
func TestTypeScriptOfTheReadmeIsThatOfTheExample(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("../examples/typescript/list.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(documents(t)["README.md"], "```ts\n")
	shown, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatal("the README shows no TypeScript")
	}
	for line := range strings.Lines(shown) {
		if !strings.Contains(string(program), line) {
			t.Errorf("not in examples/typescript/list.ts: %s", line)
		}
	}
}
