package wire

import (
	"errors"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	errNotUTF8     = errors.New("a text is not UTF-8")
	errTimeOutside = errors.New("a time is not within the years 1 to 9999")
)

// jsonPlan writes messages of one type as protojson does, only without its spaces,
// which vary from build to build. What a message looks like is worked out once for its
// type: of a page of 50 tasks, protojson took more than a third of the whole call.
type jsonPlan struct {
	fields []jsonField
	time   bool // google.protobuf.Timestamp, which is a text
}

// jsonField is a field in the order of declaration.
type jsonField struct {
	field protoreflect.FieldDescriptor
	name  string // as it is written: "createTime":
	write jsonWriter
}

// jsonWriter appends a value that is there.
type jsonWriter func(to []byte, v protoreflect.Value) ([]byte, error)

// jsonPlans are the plans by protoreflect.MessageDescriptor; nil for types that are
// left to protojson.
var jsonPlans sync.Map

// jsonPlanOf returns the plan of a type, or nil where a field of it, at any depth, is of
// a kind that is left to protojson: numbers with a fraction, bytes, maps, groups,
// well-known types other than times and messages that hold themselves.
func jsonPlanOf(d protoreflect.MessageDescriptor) *jsonPlan {
	known, _ := jsonPlans.Load(d)
	if plan, ok := known.(*jsonPlan); ok {
		return plan
	}
	plan := newJSONPlan(d, nil)
	jsonPlans.Store(d, plan)
	return plan
}

func newJSONPlan(d protoreflect.MessageDescriptor, within []protoreflect.FullName) *jsonPlan {
	for _, outer := range within {
		if outer == d.FullName() {
			return nil
		}
	}
	if d.FullName() == "google.protobuf.Timestamp" {
		return &jsonPlan{time: true}
	}
	if d.FullName().Parent() == "google.protobuf" || d.ExtensionRanges().Len() > 0 {
		return nil
	}
	plan := &jsonPlan{fields: make([]jsonField, d.Fields().Len())}
	for i := range plan.fields {
		field := d.Fields().Get(i)
		write := newJSONWriter(field, append(within, d.FullName()))
		if write == nil {
			return nil
		}
		plan.fields[i] = jsonField{field: field, name: strconv.Quote(field.JSONName()) + ":", write: write}
	}
	return plan
}

// newJSONWriter returns how the field is written, or nil.
func newJSONWriter(field protoreflect.FieldDescriptor, within []protoreflect.FullName) jsonWriter {
	var one jsonWriter
	switch field.Kind() {
	case protoreflect.BoolKind:
		one = func(to []byte, v protoreflect.Value) ([]byte, error) { return strconv.AppendBool(to, v.Bool()), nil }
	case protoreflect.StringKind:
		one = func(to []byte, v protoreflect.Value) ([]byte, error) { return appendText(to, v.String()) }
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		one = func(to []byte, v protoreflect.Value) ([]byte, error) { return strconv.AppendInt(to, v.Int(), 10), nil }
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		one = func(to []byte, v protoreflect.Value) ([]byte, error) {
			return append(strconv.AppendInt(append(to, '"'), v.Int(), 10), '"'), nil
		}
	case protoreflect.EnumKind:
		if field.Enum().FullName() == "google.protobuf.NullValue" {
			return nil
		}
		one = enumWriter(field.Enum().Values())
	case protoreflect.MessageKind:
		plan := (*jsonPlan)(nil)
		if !field.IsMap() {
			plan = newJSONPlan(field.Message(), within)
		}
		if plan == nil {
			return nil
		}
		one = func(to []byte, v protoreflect.Value) ([]byte, error) { return plan.append(to, v.Message()) }
	default:
		return nil
	}
	if field.IsList() {
		return listWriter(one)
	}
	return one
}

// enumWriter writes the name, or the number where there is none.
func enumWriter(values protoreflect.EnumValueDescriptors) jsonWriter {
	return func(to []byte, v protoreflect.Value) ([]byte, error) {
		if named := values.ByNumber(v.Enum()); named != nil {
			return append(append(append(to, '"'), named.Name()...), '"'), nil
		}
		return strconv.AppendInt(to, int64(v.Enum()), 10), nil
	}
}

func listWriter(one jsonWriter) jsonWriter {
	return func(to []byte, v protoreflect.Value) (_ []byte, err error) {
		list := v.List()
		to = append(to, '[')
		for i := range list.Len() {
			if i > 0 {
				to = append(to, ',')
			}
			if to, err = one(to, list.Get(i)); err != nil {
				return nil, err
			}
		}
		return append(to, ']'), nil
	}
}

func (p *jsonPlan) append(to []byte, m protoreflect.Message) (_ []byte, err error) {
	if p.time {
		return appendTime(to, m.Interface())
	}
	to = append(to, '{')
	first := len(to)
	for i := range p.fields {
		f := &p.fields[i]
		if !m.Has(f.field) {
			continue
		}
		if len(to) > first {
			to = append(to, ',')
		}
		if to, err = f.write(append(to, f.name...), m.Get(f.field)); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

func appendTime(to []byte, m proto.Message) ([]byte, error) {
	stamp, ok := m.(*timestamppb.Timestamp)
	if !ok || stamp.CheckValid() != nil {
		return nil, errTimeOutside
	}
	start := len(to) + len(`"2006-01-02T15:04:05.`)
	to = stamp.AsTime().AppendFormat(append(to, '"'), time.RFC3339Nano)
	to = to[:len(to)-len("Z")]
	for len(to) > start && (len(to)-start)%3 != 0 { // by thousands, where there is a fraction
		to = append(to, '0')
	}
	return append(to, 'Z', '"'), nil
}

// appendText writes a text with the escapes that JSON must have, and no other.
func appendText(to []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, errNotUTF8
	}
	to = append(to, '"')
	written := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		to = append(to, s[written:i]...)
		written = i + 1
		switch c {
		case '"', '\\':
			to = append(to, '\\', c)
		case '\n':
			to = append(to, '\\', 'n')
		case '\t':
			to = append(to, '\\', 't')
		case '\r':
			to = append(to, '\\', 'r')
		case '\b':
			to = append(to, '\\', 'b')
		case '\f':
			to = append(to, '\\', 'f')
		default:
			const digits = "0123456789abcdef"
			to = append(to, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
	}
	return append(append(to, s[written:]...), '"'), nil
}
