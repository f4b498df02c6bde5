package billing

import (
	"testing"

	"github.com/teamtask/teamtask/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
