package stacktest

const (
	HealthCheck   = "/grpc.health.v1.Health/Check"
	Reflection    = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	ReflectionOld = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
)
