package server

// What the tests outside the package look into.
const (
	BodyMax       = bodyMax
	CallMax       = callMax
	ReadWithin    = readWithin
	ReflectionMax = reflectionMax
	StallWithin   = stallWithin
	WriteWithin   = writeWithin
)

var (
	AdminHandler   = adminHandler
	HandlerOptions = handlerOptions
	NewGate        = newGate
	NewShedder     = newShedder
	NewTrail       = newTrail
	NewValidator   = newValidator
	WithDeadline   = withDeadline
	WithHeaders    = withHeaders
)
