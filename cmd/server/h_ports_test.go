package main

const (
	healthCheck   = "/grpc.health.v1.Health/Check"
	reflection    = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	reflectionOld = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
)
