package rbac

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// files are the descriptors of one service whose methods have these options; nil is
// none.
func files(t *testing.T, methods map[string]*teamtaskv1.Access) *protoregistry.Files {
	t.Helper()
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Things")}
	for name, access := range methods {
		options := &descriptorpb.MethodOptions{}
		if access != nil {
			proto.SetExtension(options, teamtaskv1.E_Access, access)
		}
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(name), InputType: proto.String(".test.v1.Empty"), OutputType: proto.String(".test.v1.Empty"), Options: options,
		})
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("test.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Empty")}},
		Service:     []*descriptorpb.ServiceDescriptorProto{service},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all protoregistry.Files
	if err := all.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	return &all
}

func public(yes bool) *teamtaskv1.Access {
	return &teamtaskv1.Access{Caller: &teamtaskv1.Access_Public{Public: yes}}
}

func signedIn(yes bool) *teamtaskv1.Access {
	return &teamtaskv1.Access{Caller: &teamtaskv1.Access_SignedIn{SignedIn: yes}}
}

func permission(name string) *teamtaskv1.Access {
	return &teamtaskv1.Access{Caller: &teamtaskv1.Access_Permission{Permission: name}}
}

// with is the access with a seat, an organization or an audit line asked for.
func with(access *teamtaskv1.Access, words ...string) *teamtaskv1.Access {
	for _, word := range words {
		switch word {
		case "seat":
			access.Seat = true
		case "organization":
			access.Organization = true
		case "audit":
			access.Audit = true
		}
	}
	return access
}

func TestRulesAreReadOffTheDescriptors(t *testing.T) {
	t.Parallel()
	got, err := Read(files(t, map[string]*teamtaskv1.Access{
		"Open":  public(true),
		"Mine":  signedIn(true),
		"Ours":  with(signedIn(true), "organization"),
		"View":  permission("org:tasks:view"),
		"Write": with(permission("org:licensing:manage"), "organization", "seat", "audit"),
	}), "test.v1")
	if err != nil {
		t.Fatal(err)
	}
	want := Rules{
		"/test.v1.Things/Open":  {Public: true},
		"/test.v1.Things/Mine":  {},
		"/test.v1.Things/Ours":  {Organization: true},
		"/test.v1.Things/View":  {Permission: tenancy.TasksView},
		"/test.v1.Things/Write": {Permission: tenancy.LicensingManage, Organization: true, Seat: true, Audit: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAMethodWithoutAUsableRuleStopsTheStart(t *testing.T) {
	t.Parallel()
	for name, access := range map[string]*teamtaskv1.Access{
		"no option":                           nil,
		"an empty option":                     {},
		"only a seat":                         with(&teamtaskv1.Access{}, "seat", "audit"),
		"public is false":                     public(false),
		"signed in is false":                  signedIn(false),
		"public with a seat":                  with(public(true), "seat"),
		"public with an organization":         with(public(true), "organization"),
		"an unknown permission":               permission("org:tasks:fly"),
		"no permission":                       permission(""),
		"a permission in capitals":            permission("ORG:TASKS:VIEW"),
		"two permissions":                     permission("org:tasks:view,org:tasks:edit"),
		"a permission of Clerk's":             permission("org:sys_memberships:manage"),
		"a permission without its first part": permission("tasks:view"),
	} {
		rules, err := Read(files(t, map[string]*teamtaskv1.Access{"Fine": signedIn(true), "Broken": access}), "test.v1")
		if err == nil || rules != nil {
			t.Errorf("%s: %v, want an error", name, rules)
			continue
		}
		if !strings.Contains(err.Error(), "test.v1.Things.Broken") || strings.Contains(err.Error(), "Fine") {
			t.Errorf("%s: the message must name the method, and no other: %v", name, err)
		}
	}
}

func TestEveryMethodWithoutARuleIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Read(files(t, map[string]*teamtaskv1.Access{"One": nil, "Two": {}, "Three": permission("x")}), "test.v1")
	for _, name := range []string{"One", "Two", "Three"} {
		if err == nil || !strings.Contains(err.Error(), "test.v1.Things."+name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

func TestAPackageWithoutMethodsStopsTheStart(t *testing.T) {
	t.Parallel()
	if _, err := Read(files(t, nil), "test.v1"); err == nil {
		t.Error("a service without methods is let through")
	}
	if _, err := Read(protoregistry.GlobalFiles, "nothing.v1"); err == nil {
		t.Error("a package that is not there is let through")
	}
}

// What is served has a rule for every method, and only for those.
func TestTheServedPackageCanBeRead(t *testing.T) {
	t.Parallel()
	rules, err := Read(protoregistry.GlobalFiles, "teamtask.v1")
	if err != nil {
		t.Fatal(err)
	}
	methods := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("teamtask.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods += file.Services().Get(i).Methods().Len()
		}
		return true
	})
	if len(rules) != methods || methods == 0 {
		t.Errorf("%d rules for %d methods", len(rules), methods)
	}
}
