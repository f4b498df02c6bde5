// Package operations tests what operators see of the server.
package operations

import (
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }
