// Package wire reads and writes messages: protobuf's JSON and binary forms, what a message
// may hold, and compression that is bounded.
package wire

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
)

// decodeWordsMax bounds the error about a malformed message, in characters.
const decodeWordsMax = 200

var (
	errNUL   = errors.New("a text holds the character NUL, which cannot be stored")
	errEmpty = errors.New("the body is empty; send at least {}")
)

// Codecs returns the ways a message is read and written. JSON goes by two names: a guard
// under one of them could be passed by a header.
func Codecs() connect.HandlerOption {
	return connect.WithHandlerOptions(
		connect.WithCodec(Binary()),
		connect.WithCodec(JSON()),
		connect.WithCodec(jsonCodec{name: "json; charset=utf-8"}),
	)
}

// JSON returns the codec of protobuf's JSON form.
func JSON() connect.Codec { return jsonCodec{name: "json"} }

// Binary returns the codec of protobuf's binary form.
func Binary() connect.Codec { return protoCodec{} }

var errNotMessage = errors.New("not a protobuf message")

// jsonCodec is protobuf's JSON form. Fields that it does not know are ignored, so that
// newer clients can talk to older servers.
type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (jsonCodec) Marshal(message any) ([]byte, error) {
	return jsonCodec{}.MarshalAppend(nil, message)
}

func (jsonCodec) MarshalAppend(to []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, errNotMessage
	}
	if plan := jsonPlanOf(m.ProtoReflect().Descriptor()); plan != nil {
		return plan.append(to, m.ProtoReflect())
	}
	return protojson.MarshalOptions{}.MarshalAppend(to, m)
}

func (jsonCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errNotMessage
	}
	if len(data) == 0 {
		return errEmpty
	}
	long, err := guardJSON(data)
	if err != nil {
		return err
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: depthMax}).Unmarshal(data, m); err != nil {
		return decodeError(err)
	}
	if long {
		if err := guardPaths(m.ProtoReflect()); err != nil {
			return err
		}
	}
	if bytes.Contains(data, []byte(`\u0000`)) {
		return refuseNUL(m)
	}
	return nil
}

// protoCodec is protobuf's binary form. It ignores the fields that it does not know, as
// jsonCodec does.
type protoCodec struct{}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) Marshal(message any) ([]byte, error) {
	return protoCodec{}.MarshalAppend(nil, message)
}

func (protoCodec) MarshalAppend(to []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, errNotMessage
	}
	return proto.MarshalOptions{}.MarshalAppend(to, m)
}

func (protoCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errNotMessage
	}
	if err := guardBinary(data, m.ProtoReflect().Descriptor()); err != nil {
		return err
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: depthMax}).Unmarshal(data, m); err != nil {
		return decodeError(err)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return refuseNUL(m)
	}
	return nil
}

// refuseNUL returns errNUL if a text of the message holds the character NUL, which
// PostgreSQL cannot store. It is called only where the encoded form may hold one.
func refuseNUL(m proto.Message) error {
	return protorange.Range(m.ProtoReflect(), func(p protopath.Values) error {
		if s, ok := p.Index(-1).Value.Interface().(string); ok && strings.ContainsRune(s, 0) {
			return errNUL
		}
		return nil
	})
}

// decodeError returns what helps the caller: where and what, in one short line.
func decodeError(err error) error {
	words := err.Error()                                                           // may quote all of the message
	words = words[:min(len(words), (decodeWordsMax+len("proto: ")+1)*utf8.UTFMax)] // more than is kept
	words = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, words)
	words = strings.TrimPrefix(words, "proto: ")
	if runes := []rune(words); len(runes) > decodeWordsMax {
		words = string(runes[:decodeWordsMax]) + "..."
	}
	return errors.New(words)
}
