package fault

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
)

// methodUnknown is a call of a method that does not exist, or in a way in which the
// method cannot be called.
var methodUnknown = New(connect.CodeUnimplemented, teamtaskv1.Reason_REASON_METHOD_UNKNOWN,
	"there is no such method, or it cannot be called like this")

// takes are the content types of a call, for words.
const takes = "application/json or application/proto for Connect, application/grpc for gRPC, application/grpc-web for gRPC-Web"

// ofStatus returns the fault for a bare HTTP status with which Connect or net/http
// refused r. Allow is the response's header of that name.
func ofStatus(status int, r *http.Request, allow string) error {
	switch status {
	case http.StatusNotFound:
		return methodUnknown.Saying("there is no such method")
	case http.StatusMethodNotAllowed:
		return methodUnknown.Saying("it cannot be called by this HTTP method; use " + allow)
	case http.StatusUnsupportedMediaType:
		return ofMediaType(r)
	case http.StatusHTTPVersionNotSupported:
		return methodUnknown.Saying("it cannot be called over HTTP/1.1; use HTTP/2")
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	}
	if status >= http.StatusInternalServerError {
		return errors.New("HTTP status " + strconv.Itoa(status))
	}
	return Invalid.Saying("the request cannot be read")
}

// ofMediaType returns the fault for a call whose form Connect does not recognize. A form
// that is missing is a mistake in the request; one that is not supported is another way
// to call.
func ofMediaType(r *http.Request) *Fault {
	if r.Method == http.MethodGet {
		if r.URL.Query().Get("encoding") == "" {
			return Invalid.Saying("a call by GET needs the query parameters encoding and message")
		}
		return methodUnknown.Saying("a call by GET has no body, and encoding is json or proto")
	}
	contentType := r.Header.Get("Content-Type")
	switch {
	case strings.TrimSpace(contentType) == "":
		return Invalid.Saying("the header Content-Type is missing; send " + takes)
	case strings.HasPrefix(strings.ToLower(contentType), "application/grpc-web-text"):
		return methodUnknown.Saying("the text form of gRPC-Web is not supported; use application/grpc-web+proto")
	}
	return methodUnknown.Saying("the Content-Type is not supported; send " + takes)
}

// compressionUnknown is a request in a compression that the server does not read.
var compressionUnknown = methodUnknown.Saying("the compression of the request is not supported; use gzip or none")
