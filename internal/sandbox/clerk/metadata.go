package clerk

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/teamtask/teamtask/internal/sandbox/clerk/directory"
)

// metadataSizeMax is how many bytes one kind of metadata may take as JSON.
const metadataSizeMax = 8 << 10

// metadataBody is what changes metadata. Absent and null change nothing.
type metadataBody struct {
	Public  json.RawMessage `json:"public_metadata"`
	Private json.RawMessage `json:"private_metadata"`
}

// merged returns the two kinds of metadata with the body's merged into them: objects deeply, everything else replaced, and a null
// takes its key away at any depth.
func (b metadataBody) merged(public, private map[string]any) (newPublic, newPrivate map[string]any, err error) {
	if newPublic, err = mergeMetadata("public_metadata", public, b.Public); err != nil {
		return nil, nil, err
	}
	if newPrivate, err = mergeMetadata("private_metadata", private, b.Private); err != nil {
		return nil, nil, err
	}
	return newPublic, newPrivate, nil
}

// replaced returns the two kinds of metadata with the body's in their place where it has them.
func (b metadataBody) replaced(public, private map[string]any) (newPublic, newPrivate map[string]any, err error) {
	if given(b.Public) {
		public = nil
	}
	if given(b.Private) {
		private = nil
	}
	return b.merged(public, private)
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func mergeMetadata(param string, old map[string]any, raw json.RawMessage) (map[string]any, error) {
	patch := map[string]any{}
	if given(raw) {
		decoder := json.NewDecoder(strings.NewReader(string(raw)))
		decoder.UseNumber()
		if err := decoder.Decode(&patch); err != nil {
			return nil, directory.BadParam(param, "form_param_value_invalid", "is invalid", "%s must be a valid key-value object.", param)
		}
	}
	merged := merge(old, patch)
	written, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	if len(written) > metadataSizeMax {
		return nil, &directory.Refusal{
			Status: http.StatusUnprocessableEntity, Code: "form_param_exceeds_allowed_size", Short: "exceeds allowed size",
			Message: param + " exceeds the maximum allowed size of 8KB.", Meta: directory.ParamMeta(param),
		}
	}
	return merged, nil
}

// merge makes a new object and changes neither of the two.
func merge(old, patch map[string]any) map[string]any {
	merged := maps.Clone(old)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(merged, key)
		case map[string]any:
			below, _ := merged[key].(map[string]any)
			merged[key] = merge(below, value)
		default:
			merged[key] = value
		}
	}
	return merged
}
