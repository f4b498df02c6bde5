// Package tenancy tests that no tenant sees or changes what is not its own.
package tenancy

import (
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }
