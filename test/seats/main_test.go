// Package seats tests what is bought and who holds a seat.
package seats

import (
	"testing"

	"github.com/teamtask/teamtask/internal/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }
