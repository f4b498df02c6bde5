package main

import (
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }
