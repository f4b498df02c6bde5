package tenancy

import (
	"math"
	"slices"
	"testing"
)

func TestPermissionsHaveTheirNames(t *testing.T) {
	t.Parallel()
	names := slices.Collect(AllPermissions.Names())
	want := []string{
		"org:tasks:view", "org:tasks:edit", "org:tasks:manage", "org:members:view", "org:members:manage",
		"org:licensing:view", "org:licensing:manage", "org:audit:view",
	}
	if !slices.Equal(names, want) {
		t.Fatalf("names = %q, want %q", names, want)
	}
	for i, p := range []Permissions{TasksView, TasksEdit, TasksManage, MembersView, MembersManage, LicensingView, LicensingManage, AuditView} {
		if got, ok := PermissionOf(want[i]); !ok || got != p || !AllPermissions.Has(p) || (AllPermissions &^ p).Has(p) {
			t.Errorf("%s: got %b, %v; want %b", want[i], got, ok, p)
		}
	}
	for _, name := range []string{"", "tasks:view", "org:tasks", "org:tasks:view ", "ORG:TASKS:VIEW", "org:tasks:*", "org:sys_memberships:manage"} {
		if got, ok := PermissionOf(name); ok || got != 0 {
			t.Errorf("%q: got %b, want none", name, got)
		}
	}
	for range AllPermissions.Names() {
		break // the loop may end early
	}
	if got := slices.Collect(Permissions(math.MaxUint16).Names()); !slices.Equal(got, want) {
		t.Errorf("bits that there are not have names: %q", got)
	}
	if (Permissions(0)).Has(TasksView) || !Permissions(0).Has(0) {
		t.Error("the empty set holds tasks:view, or does not hold nothing")
	}
}
