package session

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/teamtask/teamtask/internal/tenancy"
)

// nth are n permission names of which the first is view, the second edit and the last manage; the others are unknown.
func nth(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("p%d", i)
	}
	names[0], names[1], names[n-1] = "view", "edit", "manage"
	return strings.Join(names, ",")
}

func TestMasksGrantWhatClerkDocuments(t *testing.T) {
	t.Parallel()
	const both = tenancy.TasksView | tenancy.TasksManage
	for _, c := range []struct {
		name, fea, per, fpm string
		want                tenancy.Permissions
	}{
		{"the documented example", "o:dashboard,o:teams", "manage,read", "3,2", 0},
		{"the documented example, our names", "o:tasks,o:members", "manage,view", "3,2", both | tenancy.MembersView},
		{"one feature, one permission", "o:tasks", "view", "1", tenancy.TasksView},
		{"two permissions", "o:tasks", "view,manage", "3", both},
		{"the second permission alone", "o:tasks", "view,manage", "2", tenancy.TasksManage},
		{"all that there are", "o:tasks,o:members,o:licensing,o:audit", "edit,manage,view", "7,6,6,4", tenancy.AllPermissions},
		{"another order", "o:audit,o:licensing,o:members,o:tasks", "view,manage,edit", "1,3,3,7", tenancy.AllPermissions},
		{"bits 0 and 53", "o:tasks", nth(54), "9007199254740993", both},
		{"bits 0, 1 and 53", "o:tasks", nth(54), "9007199254740995", both | tenancy.TasksEdit},
		{"bit 63", "o:tasks", nth(64), "9223372036854775808", tenancy.TasksManage},
		{"all 64 bits", "o:tasks", nth(64), "18446744073709551615", both | tenancy.TasksEdit},
		{"spaces", " o:tasks , o:members ", " manage , view ", " 3 , 2 ", both | tenancy.MembersView},
		{"tabs and newlines", "\to:tasks\n", "\tview\n", "\t1\n", tenancy.TasksView},
		{"a bit that has no name", "o:tasks", "view", "3", tenancy.TasksView},
		{"only a bit that has no name", "o:tasks", "view", "2", 0},
		{"a user's feature last", "o:tasks,u:gold", "view,manage", "3,0", both},
		{"a user's feature first: it has its place", "u:gold,o:tasks", "view,manage", "0,3", both},
		{"a user's feature with a mask", "u:tasks,o:members", "view", "1,1", tenancy.MembersView},
		{"a user's feature, one mask", "u:gold,o:tasks", "view,manage", "3", 0},
		{"scopes of both kinds", "ou:tasks,uo:members", "view", "1,1", tenancy.TasksView | tenancy.MembersView},
		{"the same feature twice", "o:tasks,o:tasks", "view,manage", "1,2", both},
		{"the same permission twice", "o:tasks", "view,view", "2", tenancy.TasksView},

		{"nothing", "", "", "", 0},
		{"no features", "", "view", "1", 0},
		{"no permissions", "o:tasks", "", "1", 0},
		{"no masks", "o:tasks", "view", "", 0},
		{"zero", "o:tasks", "view,manage", "0", 0},
		{"more features than masks", "o:tasks,o:members", "view", "1", tenancy.TasksView},
		{"more masks than features", "o:tasks", "view", "1,1,1", tenancy.TasksView},
		{"more than 64 permissions", "o:tasks", nth(65), "1", tenancy.TasksView},
		{"a scope of another kind", "org:tasks,x:tasks,oo:tasks,O:tasks,:tasks,o", "view", "1,1,1,1,1,1", 0},
		{"a mask that is no number", "o:tasks,o:members", "view", "x,1", tenancy.MembersView},
		{"a name with a colon", "o:tasks:view", "view", "1", 0},
		{"a permission with a colon", "o:tasks", "view:view", "1", 0},
		{"a feature in capitals", "o:TASKS", "view", "1", 0},
		{"a system permission", "o:sys_memberships", "manage", "1", 0},
	} {
		if got := decodePermissions(c.fea, c.per, c.fpm); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, slices.Collect(got.Names()), slices.Collect(c.want.Names()))
		}
	}
	for _, mask := range []string{"-1", "+1", "1.5", "1.0", "1e0", "0x1", "0b1", "1_0", "1invalid", "18446744073709551616", "∞", "NaN", "1 1", "null"} {
		if got := decodePermissions("o:tasks,o:members", "view,manage", mask+",1"); got != tenancy.MembersView {
			t.Errorf("mask %q: got %q, want members:view alone", mask, slices.Collect(got.Names()))
		}
	}
}

func FuzzDecodePermissions(f *testing.F) {
	f.Add("o:tasks,o:members", "manage,view", "3,2")
	f.Add("u:gold,o:tasks", "view,manage", "0,3")
	f.Add(" o:tasks ,,:", ",", "9007199254740995,,")
	f.Add("ou:tasks:x", "view:", "-1")
	f.Add("o:tasks", strings.Repeat("view,", 100), fmt.Sprint(uint64(math.MaxUint64)))
	f.Fuzz(func(t *testing.T, fea, per, fpm string) {
		got := decodePermissions(fea, per, fpm)
		if got&^tenancy.AllPermissions != 0 {
			t.Errorf("permissions that there are not: %b", got)
		}
		for name := range got.Names() {
			parts := strings.Split(name, ":")
			if !strings.Contains(fea, parts[1]) || !strings.Contains(per, parts[2]) {
				t.Errorf("%s is in neither %q nor %q", name, fea, per)
			}
		}
		if strings.Trim(fpm, "0, \t\r\n") == "" && got != 0 {
			t.Errorf("masks without a bit grant %b", got)
		}
	})
}
