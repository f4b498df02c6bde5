package tenancy_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/teamtask/teamtask/internal/tenancy"
)

func TestContextCarriesTheActor(t *testing.T) {
	t.Parallel()
	want := tenancy.Actor{User: "user_alice", Tenant: "org_acme", Organization: tenancy.Organization{ID: "org_acme"}}
	ctx := tenancy.WithActor(t.Context(), &want)
	got := tenancy.ActorOf(ctx)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actor (-want +got):\n%s", diff)
	}
	got.Tenant = "org_other" // a copy: the next call sees nothing of it
	if again := tenancy.ActorOf(ctx); again.Tenant != "org_acme" {
		t.Errorf("the tenant became %s", again.Tenant)
	}
}

func TestContextWithoutActorIsNobody(t *testing.T) {
	t.Parallel()
	for name, ctx := range map[string]context.Context{"none": t.Context(), "a zero one": tenancy.WithActor(t.Context(), &tenancy.Actor{})} {
		if diff := cmp.Diff(tenancy.Actor{}, tenancy.ActorOf(ctx)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSystemActsInOneTenant(t *testing.T) {
	t.Parallel()
	want := tenancy.Actor{User: "system:purge", Tenant: "org_acme", Permissions: tenancy.AllPermissions}
	if diff := cmp.Diff(want, tenancy.System("org_acme", "purge")); diff != "" {
		t.Errorf("actor (-want +got):\n%s", diff)
	}
}
