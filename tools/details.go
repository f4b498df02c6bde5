// A file to run, not a package of the tools: what it imports is pinned in the go.mod above.

//go:build ignore

// Command details prints google/rpc/error_details.proto as the Go module pinned in
// go.mod has it, for the schema that we publish: what an error carries must be readable
// with it. The comments are not in a Go module.
package main

import (
	"fmt"
	"os"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func main() {
	var b strings.Builder
	printFile(&b, errdetails.File_google_rpc_error_details_proto)
	if _, err := os.Stdout.WriteString(b.String()); err != nil {
		fmt.Fprintf(os.Stderr, "details: %v\n", err)
		os.Exit(1)
	}
}

func printFile(b *strings.Builder, f protoreflect.FileDescriptor) {
	fmt.Fprintf(b, "syntax = %q;\n\npackage %s;\n\n", f.Syntax(), f.Package())
	for i := range f.Imports().Len() {
		fmt.Fprintf(b, "import %q;\n", f.Imports().Get(i).Path())
	}
	o := protodesc.ToFileDescriptorProto(f).GetOptions()
	fmt.Fprintf(b, "\noption go_package = %q;\noption java_multiple_files = %t;\noption java_outer_classname = %q;\noption java_package = %q;\noption objc_class_prefix = %q;\n",
		o.GetGoPackage(), o.GetJavaMultipleFiles(), o.GetJavaOuterClassname(), o.GetJavaPackage(), o.GetObjcClassPrefix())
	for i := range f.Messages().Len() {
		b.WriteString("\n")
		printMessage(b, f.Messages().Get(i), "")
	}
}

func printMessage(b *strings.Builder, m protoreflect.MessageDescriptor, indent string) {
	fmt.Fprintf(b, "%smessage %s {\n", indent, m.Name())
	for i := range m.Messages().Len() {
		if nested := m.Messages().Get(i); !nested.IsMapEntry() {
			printMessage(b, nested, indent+"  ")
		}
	}
	for i := range m.Fields().Len() {
		field := m.Fields().Get(i)
		kind := kindOf(field)
		switch {
		case field.IsMap():
			kind = fmt.Sprintf("map<%s, %s>", kindOf(field.MapKey()), kindOf(field.MapValue()))
		case field.IsList():
			kind = "repeated " + kind
		case field.HasOptionalKeyword():
			kind = "optional " + kind
		}
		fmt.Fprintf(b, "%s  %s %s = %d;\n", indent, kind, field.Name(), field.Number())
	}
	fmt.Fprintf(b, "%s}\n", indent)
}

func kindOf(field protoreflect.FieldDescriptor) string {
	if m := field.Message(); m != nil {
		return "." + string(m.FullName())
	}
	return field.Kind().String()
}
