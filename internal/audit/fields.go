package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// plan says what is kept of the requests of a method.
type plan struct {
	target []protoreflect.FieldDescriptor // from the request; nil: nothing is named
	kept   []keptField
}

type keptField struct {
	name string // as in the details
	path []protoreflect.FieldDescriptor
}

const fieldMask = "google.protobuf.FieldMask"

// planOf reads the option audit of all fields of the method's request. Its error names
// every field that does not say what it has to, or asks for what cannot be done.
func planOf(m protoreflect.MethodDescriptor) (*plan, error) {
	p := &plan{}
	if m.IsStreamingClient() || m.IsStreamingServer() {
		return p, fmt.Errorf("%s: a method that streams cannot be audited", m.FullName())
	}
	w := walk{plan: p, pkg: m.ParentFile().Package()}
	w.message(m.Input(), nil)
	return p, errors.Join(w.problems...)
}

type walk struct {
	plan     *plan
	pkg      protoreflect.FullName
	problems []error
}

func (w *walk) message(d protoreflect.MessageDescriptor, before []protoreflect.FieldDescriptor) {
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		if slices.Contains(before, field) {
			continue // a message within itself: seen
		}
		if problem := w.field(field, append(slices.Clone(before), field)); problem != "" {
			w.problems = append(w.problems, fmt.Errorf("%s: the option teamtask.v1.audit %s", field.FullName(), problem))
		}
	}
}

// field adds the field to the plan, and answers what is wrong with its option, or "".
func (w *walk) field(field protoreflect.FieldDescriptor, path []protoreflect.FieldDescriptor) string {
	option, _ := proto.GetExtension(field.Options(), teamtaskv1.E_Audit).(teamtaskv1.AuditField)
	within := field.Message() != nil && !field.IsMap()
	repeated := slices.ContainsFunc(path[:len(path)-1], protoreflect.FieldDescriptor.IsList)
	switch option {
	case teamtaskv1.AuditField_AUDIT_FIELD_OMIT:
		return ""
	case teamtaskv1.AuditField_AUDIT_FIELD_UNSPECIFIED:
		if within && field.Message().ParentFile().Package() == w.pkg {
			w.message(field.Message(), path)
			return ""
		}
		if holdsText(field, nil) {
			return "is missing: say what is kept of it"
		}
		return ""
	case teamtaskv1.AuditField_AUDIT_FIELD_TARGET:
		if field.Kind() != protoreflect.StringKind || field.IsList() || field.IsMap() || repeated {
			return "says TARGET, which is for a single text"
		}
		if w.plan.target != nil {
			return "says TARGET a second time"
		}
		w.plan.target = path
		return ""
	case teamtaskv1.AuditField_AUDIT_FIELD_KEEP:
		plainText := field.Kind() != protoreflect.BytesKind && field.Message() == nil
		mask := within && field.Message().FullName() == fieldMask && !field.IsList()
		if !plainText && !mask || repeated {
			return "says KEEP, which is for texts, numbers, truth values, enums, lists of them and field masks"
		}
		w.plan.kept = append(w.plan.kept, keptField{name: nameOf(path), path: path})
		return ""
	}
	return "says something unknown"
}

// holdsText reports whether the field, at any depth, can hold text or bytes.
func holdsText(field protoreflect.FieldDescriptor, within []protoreflect.FullName) bool {
	if field.Kind() == protoreflect.StringKind || field.Kind() == protoreflect.BytesKind {
		return true
	}
	d := field.Message()
	if d == nil || slices.Contains(within, d.FullName()) {
		return false
	}
	for i := range d.Fields().Len() {
		if holdsText(d.Fields().Get(i), append(within, d.FullName())) {
			return true
		}
	}
	return false
}

func nameOf(path []protoreflect.FieldDescriptor) string {
	names := make([]string, len(path))
	for i, field := range path {
		names[i] = string(field.Name())
	}
	return strings.Join(names, ".")
}

// read is what is kept of a request.
func (p *plan) read(m protoreflect.Message) (target string, kept map[string]any) {
	if v, ok := find(m, p.target); ok {
		target = v.String()
	}
	for _, field := range p.kept {
		v, ok := find(m, field.path)
		if !ok {
			continue
		}
		if kept == nil {
			kept = make(map[string]any, len(p.kept))
		}
		kept[field.name] = valueOf(field.path[len(field.path)-1], v)
	}
	return target, kept
}

// find returns the value at the end of the path, or false where it is not set.
func find(m protoreflect.Message, path []protoreflect.FieldDescriptor) (protoreflect.Value, bool) {
	for i, field := range path {
		if !m.Has(field) {
			break
		}
		v := m.Get(field)
		if i == len(path)-1 {
			return v, true
		}
		m = v.Message()
	}
	return protoreflect.Value{}, false
}

func valueOf(field protoreflect.FieldDescriptor, v protoreflect.Value) any {
	if field.IsList() {
		all := make([]any, v.List().Len())
		for i := range all {
			all[i] = single(field, v.List().Get(i))
		}
		return all
	}
	return single(field, v)
}

func single(field protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch field.Kind() {
	case protoreflect.EnumKind:
		if named := field.Enum().Values().ByNumber(v.Enum()); named != nil {
			return string(named.Name())
		}
		return int32(v.Enum())
	case protoreflect.MessageKind: // a field mask
		paths := v.Message().Get(field.Message().Fields().ByName("paths")).List()
		all := make([]any, paths.Len())
		for i := range all {
			all[i] = paths.Get(i).String()
		}
		return all
	default:
		return v.Interface()
	}
}
