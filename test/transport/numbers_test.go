package transport

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/teamtask/teamtask/internal/server"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// literals are ways to write a value in JSON, those that are taken and those that are
// not.
type literals struct{ taken, refused []string }

var (
	aSwitch = literals{
		taken: []string{`true`, `false`},
		refused: []string{
			`"true"`, `"false"`, `""`, `"on"`, `0`, `1`, `-0`, `1.0`, `NaN`, `TRUE`, `True`, `t`, `yes`, `[]`, `[true]`, `{}`, `true false`,
		},
	}
	aCount = literals{
		taken: []string{`0`, `-0`, `1`, `50`, `50.0`, `5e1`, `5E+1`, `500e-1`, `"50"`, `2147483647`, `2.147483647e9`, `null`},
		refused: []string{
			`NaN`, `"NaN"`, `Infinity`, `"Infinity"`, `-Infinity`, `"-Infinity"`, `inf`, `1e400`, `1e99`, `-1e400`, `1e-1`, `0.5`, `50.5`, `1e999999999`,
			`2147483648`, `"2147483648"`, `-2147483649`, `4294967296`, `9223372036854775807`, `9223372036854775808`, `18446744073709551616`,
			`-1`, `"-1"`, `-2147483648`, `""`, `" 50"`, `"50 "`, `"50.5"`, `"x"`, `0x10`, `0b1`, `0o7`, `050`, `+50`, `1_000`, `.5`, `5.`, `-`, `--1`,
			`١`, `"١"`, `true`, `[]`, `[1]`, `{}`, `1 2`,
		},
	}
	aQuantity = literals{
		taken:   []string{`1`, `50`, `50.0`, `5e1`, `500e-1`, `"50"`, `10000`, `1e4`},
		refused: append([]string{`0`, `-0`, `null`, `10001`, `"10001"`, `1e5`, `2147483647`, `2.147483647e9`}, aCount.refused...),
	}
	aTime = literals{
		taken: []string{
			`"2026-11-20T12:00:00Z"`, `"2026-11-20T12:00:00.123456789Z"`, `"2026-11-20T13:00:00+01:00"`, `"1970-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `null`,
		},
		refused: []string{
			`""`, `"x"`, `"2026-11-20"`, `"2026-11-20T12:00:00"`, `"2026-13-01T00:00:00Z"`, `"1969-12-31T23:59:59Z"`, `"0001-01-01T00:00:00Z"`,
			`"0000-01-01T00:00:00Z"`, `"10000-01-01T00:00:00Z"`, `"-292277022399-01-01T00:00:00Z"`, `0`, `1e9`, `NaN`, `true`, `[]`,
		},
	}
)

// values says of every field of a request that is neither a text nor a message of ours
// what it takes. A new one fails the test until somebody has said so: times, durations
// and fractions have bounds of their own to think about.
var values = map[protoreflect.FullName]literals{
	"teamtask.v1.ListTasksRequest.page_size":   aCount,
	"teamtask.v1.ListTasksRequest.Filter.done": {taken: append(slices.Clone(aSwitch.taken), "null"), refused: aSwitch.refused},

	"teamtask.v1.ListAuditEventsRequest.page_size":    aCount,
	"teamtask.v1.ListAuditEventsRequest.Filter.since": aTime,
	"teamtask.v1.ListAuditEventsRequest.Filter.until": aTime,

	"teamtask.v1.ListMembersRequest.page_size":     aCount,
	"teamtask.v1.ListInvitationsRequest.page_size": aCount,

	"teamtask.v1.ListSeatsRequest.page_size":            aCount,
	"teamtask.v1.ListSeatsRequest.Filter.licensed":      {taken: append(slices.Clone(aSwitch.taken), "null"), refused: aSwitch.refused},
	"teamtask.v1.CreateCheckoutSessionRequest.quantity": aQuantity,

	"teamtask.v1.UpdateTaskRequest.done": {taken: append(slices.Clone(aSwitch.taken), "null"), refused: aSwitch.refused},
}

// valueFields finds the fields below d that values must know.
func valueFields(d protoreflect.MessageDescriptor, before []protoreflect.FieldDescriptor) [][]protoreflect.FieldDescriptor {
	var found [][]protoreflect.FieldDescriptor
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		path := append(slices.Clone(before), field)
		switch {
		case field.Kind() == protoreflect.StringKind, field.Kind() == protoreflect.BytesKind:
		case field.Message() != nil && field.Message().FullName() == "google.protobuf.FieldMask":
		case field.Message() != nil && strings.HasPrefix(string(field.Message().FullName()), server.APIPackage+".") && len(path) < 8:
			found = append(found, valueFields(field.Message(), path)...)
		default:
			found = append(found, path)
		}
	}
	return found
}

func TestNumbersAndSwitchesAreTakenInTheirFormsAlone(t *testing.T) {
	t.Parallel()
	s := stacktest.NewPaying(t, nil)
	id := s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0]
	seen := map[protoreflect.FullName]bool{}
	for _, m := range stacktest.Methods() {
		token := s.TokenFor(t, m)
		s.Stock("org_d2gamers")
		for _, path := range valueFields(m.Input(), nil) {
			last := path[len(path)-1].FullName()
			seen[last] = true
			forms, ok := values[last]
			if !ok {
				t.Errorf("%s is not in the table: which values does it take?", last)
				continue
			}
			ask := func(literal string) stacktest.Reply {
				body := bytes.Replace(stacktest.JSONOf(t, stacktest.CaseOf(t, m).Request(id)), []byte(`"done":true,`), nil, 1)
				body = bytes.Replace(body, []byte(`"quantity":5,`), nil, 1)
				value := literal
				for _, field := range slices.Backward(path) {
					value = fmt.Sprintf(`{%q:%s}`, field.JSONName(), value)
				}
				if len(body) > len("{}") {
					value = strings.TrimSuffix(value, "}") + "," + string(body[1:])
				}
				return s.Post(stacktest.ProcedureOf(m), token, []byte(value))
			}
			for _, literal := range forms.taken {
				s.Expect(t, fmt.Sprintf("%s: %s", last, literal), ask(literal), stacktest.Refusal{})
			}
			for _, literal := range forms.refused {
				s.Expect(t, fmt.Sprintf("%s: %s", last, literal), ask(literal), stacktest.Unreadable)
			}
		}
		// What is unknown is not looked at, but it has to be JSON.
		for literal, want := range map[string]stacktest.Refusal{
			`NaN`: stacktest.Unreadable, `Infinity`: stacktest.Unreadable, `-Infinity`: stacktest.Unreadable, `0x10`: stacktest.Unreadable, `1e999999999`: {}, `-0`: {},
			`"0000-01-01T00:00:00Z"`: {}, `"10000-01-01T00:00:00Z"`: {}, `"-292277022399-01-01T00:00:00Z"`: {}, `18446744073709551616`: {},
		} {
			body := `{"other":` + literal + `,` + string(stacktest.JSONOf(t, stacktest.CaseOf(t, m).Request(s.Put(stacktest.Row{Tenant: "org_d2gamers"})[0])))[1:]
			s.Expect(t, fmt.Sprintf("%s, an unknown field: %s", m.Name(), literal), s.Post(stacktest.ProcedureOf(m), token, []byte(strings.Replace(body, ",}", "}", 1))), want)
		}
	}
	for name := range values {
		if !seen[name] {
			t.Errorf("%s is in the table and in no request", name)
		}
	}
}
