package api

import (
	"reflect"
	"slices"

	"github.com/teamtask/teamtask/internal/sandbox/stripe/account"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/form"
	"github.com/teamtask/teamtask/internal/sandbox/stripe/object"
)

// only returns the object of the path, for a method without parameters.
func only[T any](t *account.Table[T], what string, q Request) (any, error) {
	row, err := account.Named(t, "id", what, q.id)
	if err != nil {
		return nil, err
	}
	return row, q.Form.Done()
}

const (
	limitDefault    = 10
	limitMax        = 100
	expandDepthMax  = 4
	searchResultMax = 100
)

// listed returns the requested page of rows, which are newest first. It reads the last parameters.
func listed[T any](q Request, rows []*T) (any, error) {
	limit := int64(limitDefault)
	if given := q.Form.Number("limit", 1, limitMax); given != nil {
		limit = *given
	}
	after, before := q.Form.Text("starting_after"), q.Form.Text("ending_before")
	rows = slices.DeleteFunc(rows, createdOutside[T](q.Form))
	if err := q.Form.Done(); err != nil {
		return nil, err
	}
	from, to := 0, len(rows)
	for param, id := range map[string]*string{"starting_after": after, "ending_before": before} {
		if id == nil {
			continue
		}
		i := slices.IndexFunc(rows, func(row *T) bool { return field(row, "ID").String() == *id })
		if i < 0 {
			return nil, object.Missing(param, "object", *id)
		}
		if param == "starting_after" {
			from = i + 1
		} else {
			to = i
		}
	}
	more := int64(to-from) > limit
	if more && before != nil && after == nil {
		from = to - int(limit)
	} else if more {
		to = from + int(limit)
	}
	list := object.List{Object: "list", Data: []any{}, HasMore: more, URL: "/v1" + q.Path}
	for _, row := range rows[from:max(from, to)] {
		list.Data = append(list.Data, row)
	}
	return list, nil
}

func field[T any](row *T, name string) reflect.Value {
	return reflect.ValueOf(row).Elem().FieldByName(name)
}

// createdOutside returns a function that reports whether the parameter created leaves a row out.
func createdOutside[T any](f *form.Form) func(*T) bool {
	if !f.Has("created") {
		return func(*T) bool { return false }
	}
	within := []func(int64) bool{}
	if f.IsText("created") {
		if at := f.Number("created", 0, 1<<40); at != nil {
			within = append(within, func(made int64) bool { return made == *at })
		}
	} else {
		branch := f.Child("created")
		for name, is := range map[string]func(made, at int64) bool{
			"gt":  func(made, at int64) bool { return made > at },
			"gte": func(made, at int64) bool { return made >= at },
			"lt":  func(made, at int64) bool { return made < at },
			"lte": func(made, at int64) bool { return made <= at },
		} {
			if at := branch.Number(name, 0, 1<<40); at != nil {
				within = append(within, func(made int64) bool { return is(made, *at) })
			}
		}
	}
	return func(row *T) bool {
		made := field(row, "Created").Int()
		return slices.ContainsFunc(within, func(is func(int64) bool) bool { return !is(made) })
	}
}
