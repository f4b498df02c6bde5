package wire

import (
	"bytes"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What one message may hold, in either form. No request that passes validation comes
// near any of it; what a newer client adds has room.
const (
	depthMax  = 64        // messages, objects, arrays and groups in each other
	valuesMax = 20_000    // values, whether or not their fields are known
	textMax   = 128 << 10 // bytes of a text as JSON writes it: 10,000 characters of up to 12
	numberMax = 1_000     // bytes of a number
	pathsMax  = 64        // paths of all field masks of a message
)

var (
	errBOM    = errors.New("the body begins with a byte order mark; send plain UTF-8")
	errRawNUL = errors.New("the body holds a byte of zero, which is no part of JSON")
	errDepth  = errors.New("the message is nested more than 64 levels deep")
	errValues = errors.New("the message holds more than 20,000 values")
	errText   = errors.New("a text is longer than 128 KiB")
	errNumber = errors.New("a number is longer than 1,000 characters")
	errPaths  = errors.New("the field masks of the message name more than 64 fields")
)

// guardJSON returns an error for what would cost much to decode: one pass, no memory. It
// does not check that the rest is JSON: it tells texts from what is around them, and
// counts. A comma in a text counts as well: the text may be a field mask, which is a
// list. All texts that a request may hold have fewer characters than there may be values.
// long reports whether a text may be a field mask of more than pathsMax paths; guardPaths
// decides that once the message is decoded.
func guardJSON(data []byte) (long bool, err error) {
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return false, errBOM
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return false, errRawNUL
	}
	depth, values := 0, 1
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			size, commas := textSize(data[i+1:])
			if size > textMax {
				return false, errText
			}
			long = long || size > pathsMax // a comma can be an escape
			i += size
			values += commas
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			size := numberSize(data[i:])
			if size > numberMax {
				return false, errNumber
			}
			i += size - 1
		case '{', '[':
			if depth++; depth > depthMax {
				return false, errDepth
			}
			values++
		case '}', ']':
			depth--
		case ',':
			values++
		}
		if values > valuesMax {
			return false, errValues
		}
	}
	return long, nil
}

// guardPaths refuses a message whose field masks name more than pathsMax paths: all that
// follows, validation first, takes time for each. It is for messages without maps, which
// no request has.
func guardPaths(m protoreflect.Message) error {
	paths := 0
	return countPaths(m, &paths)
}

func countPaths(m protoreflect.Message, paths *int) (err error) {
	if m.Descriptor().FullName() == fieldMask {
		*paths += m.Get(m.Descriptor().Fields().ByName("paths")).List().Len()
		if *paths > pathsMax {
			return errPaths
		}
		return nil
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Message() == nil || field.IsMap():
		case field.IsList():
			for i := range v.List().Len() {
				if err = countPaths(v.List().Get(i).Message(), paths); err != nil {
					break
				}
			}
		default:
			err = countPaths(v.Message(), paths)
		}
		return err == nil
	})
	return err
}

const fieldMask = "google.protobuf.FieldMask"

// textSize is how many bytes there are to the end of a text, its closing quotation mark
// included if there is one, and how many of them are commas.
func textSize(data []byte) (size, commas int) {
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case ',':
			commas++
		case '"':
			return i + 1, commas
		}
	}
	return len(data), commas
}

// numberSize is how many bytes may be those of one number.
func numberSize(data []byte) int {
	for i, c := range data {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return i
		}
	}
	return len(data)
}

// guardBinary is guardJSON for the binary form of the message, and guardPaths. The values
// of unknown groups count, the insides of other unknown fields are bytes.
func guardBinary(data []byte, message protoreflect.MessageDescriptor) error {
	return new(fieldCount).add(data, message, depthMax)
}

// fieldCount is what has been found in a message in binary form.
type fieldCount struct{ values, paths int }

// add goes through a message that may hold so many levels, of which it is one. What
// cannot be read is left to the decoder to refuse.
func (c *fieldCount) add(data []byte, message protoreflect.MessageDescriptor, levels int) error {
	if levels == 0 {
		return errDepth
	}
	isMask := message.FullName() == fieldMask
	groups := 0
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil
		}
		data = data[n:]
		if c.values++; c.values > valuesMax {
			return errValues
		}
		if isMask {
			if c.paths++; c.paths > pathsMax {
				return errPaths
			}
		}
		switch kind {
		case protowire.StartGroupType:
			if groups++; groups >= levels {
				return errDepth
			}
			continue
		case protowire.EndGroupType:
			groups--
			continue
		default:
		}
		n = protowire.ConsumeFieldValue(number, kind, data)
		if n < 0 {
			return nil
		}
		if kind == protowire.BytesType && groups == 0 {
			if field := message.Fields().ByNumber(number); field != nil && field.Message() != nil {
				inner, _ := protowire.ConsumeBytes(data)
				if err := c.add(inner, field.Message(), levels-1); err != nil {
					return err
				}
			}
		}
		data = data[n:]
	}
	return nil
}
