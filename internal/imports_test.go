// Package internal_test holds the house to its plan: who may import whom.
package internal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/teamtask/teamtask/"

// arrows says which packages of ours each package may import. The generated contract
// is free to all of them. A new package, or a new arrow, is one line here.
var arrows = map[string][]string{
	"cmd/server": {
		"migrations", "internal/tenancy", "internal/clerk", "internal/inbox", "internal/directory",
		"internal/licensing", "internal/stripe", "internal/jobs", "internal/env", "internal/server",
		"internal/settings", "internal/billing",
	},
	"cmd/dev":            {"internal/sandbox", "internal/localpg", "internal/process"},
	"bench":              {"internal/sandbox", "internal/localpg", "internal/process", "internal/tasks"},
	"examples":           {}, // a test that follows them
	"migrations":         {},
	"internal/fault":     {},
	"internal/wire":      {"internal/fault"},
	"internal/admission": {"internal/fault", "internal/tenancy"},
	"internal/hostile":   {},
	"internal/pgpool":    {},
	"internal/cached":    {},
	"internal/tenancy":   {"internal/fault", "internal/pgpool"},
	"internal/session":   {"internal/fault", "internal/cached", "internal/tenancy"},
	"internal/rbac":      {"internal/fault", "internal/tenancy"},
	"internal/audit":     {"internal/fault", "internal/tenancy"},
	"internal/clerk":     {"internal/fault", "internal/outbound", "internal/webhook"},
	"internal/inbox":     {"internal/fault", "internal/pgpool", "internal/jobs", "internal/webhook"},
	"internal/tasks":     {"internal/fault", "internal/tenancy"},
	"internal/directory": {
		"internal/fault", "internal/tenancy", "internal/clerk", "internal/inbox", "internal/jobs",
		"internal/audit",
	},
	"internal/licensing": {
		"internal/fault", "internal/tenancy", "internal/inbox", "internal/audit", "internal/jobs",
		"internal/directory",
	},
	"internal/membership": {
		"internal/fault", "internal/cached", "internal/tenancy", "internal/clerk", "internal/audit",
		"internal/directory", "internal/licensing",
	},
	"internal/sandbox": {
		"internal/sandbox/clerk", "internal/sandbox/clerk/token", "internal/sandbox/kit",
		"internal/sandbox/stripe",
	},
	"internal/process":     {},
	"internal/localpg":     {"internal/process"},
	"internal/pgtest":      {"internal/localpg", "internal/process", "migrations"},
	"internal/sandbox/kit": {},
	"internal/sandbox/clerk": {
		"internal/sandbox/clerk/directory", "internal/sandbox/clerk/token", "internal/sandbox/kit",
	},
	"internal/sandbox/clerk/directory": {"internal/sandbox/kit"},
	"internal/sandbox/clerk/token":     {"internal/sandbox/clerk/directory", "internal/sandbox/kit"},
	"internal/sandbox/stripe": {
		"internal/sandbox/kit", "internal/sandbox/stripe/account", "internal/sandbox/stripe/api",
		"internal/sandbox/stripe/form", "internal/sandbox/stripe/object", "internal/sandbox/stripe/pages",
	},
	"internal/sandbox/stripe/account": {"internal/sandbox/kit", "internal/sandbox/stripe/object"},
	"internal/sandbox/stripe/api": {
		"internal/sandbox/kit", "internal/sandbox/stripe/account", "internal/sandbox/stripe/form",
		"internal/sandbox/stripe/object",
	},
	"internal/sandbox/stripe/form":   {"internal/sandbox/kit", "internal/sandbox/stripe/object"},
	"internal/sandbox/stripe/object": {"internal/sandbox/kit"},
	"internal/sandbox/stripe/pages": {
		"internal/sandbox/kit", "internal/sandbox/stripe/account", "internal/sandbox/stripe/object",
	},
	"internal/telemetry":           {"internal/fault"},
	"internal/collector":           {},
	"internal/outbound":            {"internal/fault"},
	"internal/stripe":              {"internal/fault", "internal/outbound", "internal/webhook"},
	"internal/jobs":                {"internal/fault", "internal/pgpool"},
	"internal/env":                 {},
	"internal/webhook":             {},
	"internal/sandbox/sandboxtest": {"internal/sandbox"},
	"internal/server": {
		"migrations", "internal/fault", "internal/wire", "internal/admission", "internal/telemetry",
		"internal/tenancy", "internal/rbac", "internal/audit", "internal/clerk", "internal/inbox",
		"internal/tasks", "internal/directory", "internal/licensing", "internal/membership", "internal/billing",
		"internal/jobs", "internal/session", "internal/stripe",
	},
	"internal/settings": {
		"internal/env", "internal/server", "internal/tenancy", "internal/rbac", "internal/clerk",
		"internal/inbox", "internal/tasks", "internal/outbound", "internal/session", "internal/stripe",
	},
	"internal/stacktest": {
		"internal/pgtest", "internal/sandbox", "internal/server", "internal/settings", "internal/fault",
		"internal/wire", "internal/admission", "internal/telemetry", "internal/audit", "internal/tenancy",
		"internal/session",
	},
	"internal/billing": {
		"internal/fault", "internal/tenancy", "internal/clerk", "internal/stripe", "internal/licensing",
		"internal/inbox", "internal/audit", "internal/jobs",
	},
}

// library is a package as the go command describes it.
type library struct {
	ImportPath string
	Imports    []string // without those of tests
	Deps       []string // all of them, without those of tests
}

func (p library) name() string { return strings.TrimPrefix(p.ImportPath, module) }

// list asks the go command for every package of the module.
func list(t *testing.T) []library {
	t.Helper()
	return goList(t, "./...")
}

func goList(t *testing.T, what ...string) []library {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Deps"}, what...)...)
	command.Dir = ".."
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []library
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p library
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestPackagesImportOnlyWhatTheHouseAllows(t *testing.T) {
	t.Parallel()
	found := 0
	for _, p := range list(t) {
		name := p.name()
		if name == "internal" || strings.HasPrefix(name, "gen/") || strings.HasPrefix(name, "test/") {
			continue // this test, what is generated, and packages of tests alone
		}
		allowed, ok := arrows[name]
		if !ok {
			t.Errorf("%s is not in the table: what may it import?", name)
			continue
		}
		found++
		for _, path := range p.Imports {
			of, ours := strings.CutPrefix(path, module)
			if ours && !strings.HasPrefix(of, "gen/") && !slices.Contains(allowed, of) {
				t.Errorf("%s imports %s, which the table does not allow", name, of)
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d packages found", found)
	}
}

// Nothing that is made for development gets into the product, not even through others.
func TestTheServerLinksNothingThatIsForDevelopment(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if p.name() != "cmd/server" {
			continue
		}
		if !slices.Contains(p.Deps, module+"internal/tenancy") {
			t.Fatal("the dependencies of cmd/server are not known")
		}
		for _, dep := range p.Deps {
			for _, banned := range []string{
				module + "internal/sandbox",
				module + "internal/localpg",
				module + "internal/process",
				module + "internal/pgtest",
				module + "internal/stacktest",
				module + "internal/hostile",
				module + "internal/collector",
				module + "cmd/dev",
				module + "bench",
				"github.com/fergusstrange/embedded-postgres", "testing", "net/http/httptest", "github.com/google/go-cmp",
			} {
				if dep == banned || strings.HasPrefix(dep, banned+"/") {
					t.Errorf("cmd/server links %s", dep)
				}
			}
		}
	}
}

func TestTestDatabasesAreForTestsAlone(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if p.name() != "internal/stacktest" && slices.Contains(p.Imports, module+"internal/pgtest") {
			t.Errorf("%s imports internal/pgtest outside its tests", p.name())
		}
	}
}

// source is a file of ours that is not generated and not a test.
type source struct {
	path string // from the module's root
	file *ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, folder := range []string{".", "../cmd", "../migrations"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			all = append(all, source{path: filepath.ToSlash(filepath.Join("internal", path)), file: file})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// An error meets the wire in one place: whatever is told to a caller is told there.
func TestOnlyFaultBuildsConnectErrors(t *testing.T) {
	t.Parallel()
	builders := []string{"NewError", "NewWireError", "NewErrorDetail", "NewErrorWriter", "NewNotModifiedError"}
	inFault := 0
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(builders, selector.Sel.Name) {
				return true
			}
			if of, ok := selector.X.(*ast.Ident); ok && of.Name == "connect" {
				if strings.HasPrefix(s.path, "internal/fault/") {
					inFault++
				} else {
					t.Errorf("%s calls connect.%s", s.path, selector.Sel.Name)
				}
			}
			return true
		})
	}
	if inFault == 0 {
		t.Error("internal/fault builds none: this test sees nothing")
	}
}

// The pool is reached through the doors of tenancy alone.
func TestOnlyTenancyHoldsConnectionsToPostgreSQL(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"internal/pgpool", "internal/tenancy", "internal/localpg", "internal/pgtest", "migrations", // the door; servers of tests; the owner
		"internal/jobs", "internal/inbox", // events from outside belong to no tenant: docs/decisions/0007
		"cmd/server", "internal/settings", "cmd/dev", // parse a URL for its user
		"internal/stacktest", "bench",
	}
	for _, p := range list(t) {
		for _, path := range p.Imports {
			if strings.HasPrefix(path, "github.com/jackc/pgx") && !slices.Contains(allowed, p.name()) {
				t.Errorf("%s imports %s", p.name(), path)
			}
		}
	}
}
