// Package rbac decides who may call what: it reads what each method asks of its
// caller off the descriptors, decides on the headers alone, and lets no handler run
// without that decision.
package rbac

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/tenancy"
)

// Rule is what a method asks of its caller.
type Rule struct {
	Public       bool                // no token is needed
	Permission   tenancy.Permissions // zero: being signed in is enough
	Organization bool                // an active organization is needed
	Seat         bool                // in an organization, a seat is needed
	Audit        bool                // every call is kept in the audit log
}

// Rules are the rules of all methods, by procedure ("/package.Service/Method").
type Rules map[string]Rule

// Files is where descriptors are found: protoregistry.GlobalFiles, or a set of a
// test's own.
type Files interface {
	RangeFilesByPackage(name protoreflect.FullName, f func(protoreflect.FileDescriptor) bool)
}

// Read reads the rule of every method in the package. It answers an error that names
// every method whose rule is missing or cannot hold.
func Read(files Files, pkg protoreflect.FullName) (Rules, error) {
	rules := make(Rules)
	var problems []error
	files.RangeFilesByPackage(pkg, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				method := methods.Get(j)
				rule, err := ruleOf(method)
				if err != nil {
					problems = append(problems, fmt.Errorf("%s: %w", method.FullName(), err))
					continue
				}
				rules[procedure(method)] = rule
			}
		}
		return true
	})
	if len(problems) > 0 {
		return nil, fmt.Errorf("access rules: %w", errors.Join(problems...))
	}
	if len(rules) == 0 {
		return nil, fmt.Errorf("access rules: package %s has no methods", pkg)
	}
	return rules, nil
}

func procedure(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

func ruleOf(m protoreflect.MethodDescriptor) (Rule, error) {
	options, ok := m.Options().(*descriptorpb.MethodOptions)
	if !ok || !proto.HasExtension(options, teamtaskv1.E_Access) {
		return Rule{}, errors.New("the option teamtask.v1.access is missing")
	}
	access, ok := proto.GetExtension(options, teamtaskv1.E_Access).(*teamtaskv1.Access)
	if !ok {
		return Rule{}, errors.New("the option teamtask.v1.access cannot be read")
	}
	rule := Rule{Organization: access.GetOrganization(), Seat: access.GetSeat(), Audit: access.GetAudit()}
	switch caller := access.GetCaller().(type) {
	case *teamtaskv1.Access_Public:
		if !caller.Public || rule.Organization || rule.Seat {
			return Rule{}, errors.New("public must be true, and asks for no organization and no seat")
		}
		rule.Public = true
	case *teamtaskv1.Access_SignedIn:
		if !caller.SignedIn {
			return Rule{}, errors.New("signed_in must be true")
		}
	case *teamtaskv1.Access_Permission:
		if rule.Permission, ok = tenancy.PermissionOf(caller.Permission); !ok {
			return Rule{}, fmt.Errorf("there is no permission %q", caller.Permission)
		}
	default:
		return Rule{}, errors.New("the option says neither public nor signed_in nor permission")
	}
	return rule, nil
}
