package internal_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// inTenancy reports whether the expression is the name in package tenancy, seen from
// inside it or from elsewhere.
func inTenancy(e ast.Expr, name string, inside bool) bool {
	if selector, ok := e.(*ast.SelectorExpr); ok {
		of, ok := selector.X.(*ast.Ident)
		return ok && of.Name == "tenancy" && selector.Sel.Name == name
	}
	id, ok := e.(*ast.Ident)
	return ok && inside && id.Name == name
}

// constantText reports whether the expression is put together of literals and of the named
// constants alone.
func constantText(e ast.Expr, constants []string) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return e.Kind == token.STRING
	case *ast.Ident:
		return slices.Contains(constants, e.Name)
	case *ast.BinaryExpr:
		return e.Op == token.ADD && constantText(e.X, constants) && constantText(e.Y, constants)
	case *ast.ParenExpr:
		return constantText(e.X, constants)
	}
	return false
}

// constantsOf are the names of the constants of the file.
func constantsOf(file *ast.File) []string {
	var names []string
	for _, d := range file.Decls {
		if general, ok := d.(*ast.GenDecl); ok && general.Tok == token.CONST {
			for _, spec := range general.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// Row security does not help against a statement that says something else than its
// author meant. So no statement is put together when the server runs: each is written
// out, as a literal, at the top of a file.
func TestStatementsAreWrittenOutAndNeverPutTogether(t *testing.T) {
	t.Parallel()
	var declared int
	for _, s := range sources(t) {
		if !strings.HasPrefix(s.path, "internal/") || strings.HasPrefix(s.path, "internal/sandbox/") || strings.HasPrefix(s.path, "internal/localpg/") || strings.HasPrefix(s.path, "internal/pgtest/") ||
			strings.HasPrefix(s.path, "internal/stacktest/") {
			continue // the server's own packages are looked at
		}
		inside := strings.HasPrefix(s.path, "internal/tenancy/")
		constants := constantsOf(s.file)
		atTop := map[ast.Node]bool{}
		for _, d := range s.file.Decls {
			if general, ok := d.(*ast.GenDecl); ok && general.Tok == token.VAR {
				for _, spec := range general.Specs {
					for _, value := range spec.(*ast.ValueSpec).Values {
						atTop[value] = true
					}
				}
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if n.Type == nil || !inTenancy(n.Type, "Statement", inside) {
					return true
				}
				declared++
				if !atTop[n] {
					t.Errorf("%s: a statement that is not a variable of the package", s.path)
				}
				for _, element := range n.Elts {
					pair, ok := element.(*ast.KeyValueExpr)
					if ok && isFlag(pair) {
						continue
					}
					if !ok || !constantText(pair.Value, constants) && !lentText(pair.Value) {
						t.Errorf("%s: a statement that is not written out", s.path)
					}
				}
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if selector, ok := left.(*ast.SelectorExpr); ok && selector.Sel.Name == "SQL" {
						t.Errorf("%s: the text of a statement is changed", s.path)
					}
				}
			case *ast.CallExpr:
				checkCall(t, s, n, constants)
			}
			return true
		})
	}
	if declared < 9 {
		t.Errorf("only %d statements were found: this test sees too little", declared)
	}
}

// isFlag reports whether the element is one of the fields of a statement that hold no text.
func isFlag(pair *ast.KeyValueExpr) bool {
	key, isKey := pair.Key.(*ast.Ident)
	value, isValue := pair.Value.(*ast.Ident)
	return isKey && isValue && slices.Contains([]string{"Listing", "Locks"}, key.Name) && value.Name == "true"
}

// lentText reports whether the text is one of the constants of inbox and jobs that others run
// in their transactions.
func lentText(e ast.Expr) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, ok := selector.X.(*ast.Ident)
	return ok && slices.Contains([]string{"inbox.DoneName", "inbox.DoneSQL", "jobs.InsertName", "jobs.InsertSQL"}, of.Name+"."+selector.Sel.Name)
}

// checkCall wants what is handed to the driver to be written out, or to be the name of a
// prepared statement.
func checkCall(t *testing.T, s source, call *ast.CallExpr, constants []string) {
	t.Helper()
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	position := 1 // behind the context
	switch selector.Sel.Name {
	case "Query", "QueryRow":
	case "Exec":
		if of, ok := selector.X.(*ast.Ident); ok && of.Name == "tenancy" {
			return // takes a Statement
		}
	case "Queue":
		position = 0
	default:
		return
	}
	if len(call.Args) <= position {
		return // not the driver's
	}
	argument := call.Args[position]
	if name, ok := argument.(*ast.SelectorExpr); ok && name.Sel.Name == "Name" {
		return
	}
	if !constantText(argument, constants) {
		t.Errorf("%s: %s is given a text that is not written out", s.path, selector.Sel.Name)
	}
}

// A program that the server starts would inherit its environment, and with it all its
// secrets. Stripe's library links what starts one, for a request that it sends itself:
// internal/licensing sends its own, and a test of cmd/server sees that nothing is started.
func TestTheServerStartsNoPrograms(t *testing.T) {
	t.Parallel()
	all := goList(t, "-deps", "./cmd/server")
	if !slices.ContainsFunc(all, func(p library) bool { return p.ImportPath == "os/signal" }) {
		t.Fatal("the dependencies of cmd/server are not known")
	}
	for _, p := range all {
		if p.ImportPath == "github.com/stripe/stripe-go/v76" {
			continue
		}
		for _, banned := range []string{"os/exec", "plugin"} {
			if slices.Contains(p.Imports, banned) {
				t.Errorf("cmd/server links %s through %s", banned, p.ImportPath)
			}
		}
	}
}
