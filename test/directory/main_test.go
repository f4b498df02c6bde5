// Package directory tests that our copy of Clerk follows it.
package directory

import (
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }
