package fault

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// Domain is the domain of every google.rpc.ErrorInfo that we send.
const Domain = "teamtask"

// Of returns what the caller may be told of err: the fault in it, a fault for
// what the standard library, Connect or protovalidate say, or nil where the only
// answer is "internal error".
func Of(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	if v, ok := errors.AsType[*protovalidate.ValidationError](err); ok {
		return Invalid.Saying(violationWords(v)).Because(v)
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge.Because(err)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return canceled.Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded.Because(err)
	}
	if c, ok := errors.AsType[*connect.Error](err); ok {
		return ofConnect(c.Code(), c.Message()).because(err)
	}
	return nil
}

func (f *Fault) because(cause error) *Fault {
	if f == nil {
		return nil
	}
	return f.Because(cause)
}

// ofConnect returns the fault for an error that Connect raised by itself, mostly
// on the way in: what it could not read, inflate or fit. Its own words may name
// types of ours or how the server is set up, so only those of our codecs are kept.
func ofConnect(code connect.Code, message string) *Fault {
	switch code {
	case connect.CodeInvalidArgument:
		if words, ok := strings.CutPrefix(message, "unmarshal message: "); ok {
			return Invalid.Saying("the request cannot be read: " + words)
		}
		if strings.Contains(message, "timeout") {
			return Invalid.Saying("the timeout cannot be read")
		}
		return Invalid.Saying("the request cannot be read")
	case connect.CodeResourceExhausted:
		if strings.Contains(message, Overloaded.words) {
			return Overloaded
		}
		return TooLarge
	case connect.CodeUnimplemented:
		if strings.Contains(message, "compression") {
			return compressionUnknown
		}
		return methodUnknown
	case connect.CodeDeadlineExceeded:
		return DeadlineExceeded
	case connect.CodeCanceled:
		return canceled
	case connect.CodeInternal, connect.CodeUnknown:
		// Connect calls a request that ends too soon, or comes in a broken
		// envelope, an internal error; it is the caller's.
		for _, prefix := range []string{"protocol error", "read message", "read enveloped message", "read first"} {
			if strings.HasPrefix(message, prefix) {
				return Invalid.Saying("the request cannot be read: it is incomplete or not in the announced form")
			}
		}
	}
	return nil
}

// violationWords puts the first broken rule into words; the rest is in the detail.
func violationWords(v *protovalidate.ValidationError) string {
	for _, violation := range v.Violations {
		path := protovalidate.FieldPathString(violation.Proto.GetField())
		words := violation.Proto.GetMessage()
		switch {
		case path == "" && words == "":
			continue
		case path == "":
			return words
		case words == "":
			return path + ": is not valid"
		}
		return path + ": " + words
	}
	return Invalid.words
}

// onWire is the Connect error that stands for err. The second answer tells
// whether it is one that the caller may be told; if not it is "internal error".
func onWire(err error, requestID string) (*connect.Error, bool) {
	f := Of(err)
	if f == nil {
		e := connect.NewError(connect.CodeInternal, errors.New("internal error"))
		addDetail(e, &errdetails.RequestInfo{RequestId: requestID})
		return e, false
	}
	e := connect.NewError(f.code, errors.New(f.words))
	if f.reason != teamtaskv1.Reason_REASON_UNSPECIFIED {
		addDetail(e, &errdetails.ErrorInfo{Reason: ReasonName(f.reason), Domain: Domain, Metadata: f.metadata})
	}
	if f.retry > 0 {
		addDetail(e, &errdetails.RetryInfo{RetryDelay: durationpb.New(f.retry)})
	}
	if v, ok := errors.AsType[*protovalidate.ValidationError](f.cause); ok {
		addDetail(e, v.ToProto())
	}
	return e, true
}

// ReasonName is the reason as it stands in an ErrorInfo: without its prefix.
func ReasonName(r teamtaskv1.Reason) string {
	return strings.TrimPrefix(r.String(), "REASON_")
}

func addDetail(e *connect.Error, message proto.Message) {
	detail, err := connect.NewErrorDetail(message)
	if err != nil {
		return // a detail that cannot be packed is left out: the code and the words stand alone
	}
	e.AddDetail(detail)
}
