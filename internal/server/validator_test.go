package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	teamtaskv1 "github.com/teamtask/teamtask/gen/teamtask/v1"
	"github.com/teamtask/teamtask/internal/hostile"
)

// A text beyond its length is refused without being looked through.
//
//nolint:paralleltest // it measures the process
func TestLookingForControlCharactersCostsLittle(t *testing.T) {
	most := 20 * time.Millisecond
	if hostile.RaceDetector() {
		most *= 10
	}
	validator, err := newValidator()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1<<20)
	for name, m := range map[string]proto.Message{
		"the longest": &teamtaskv1.CreateTaskRequest{Name: long[:200], Description: long[:10_000]},
		"1 MiB":       &teamtaskv1.CreateTaskRequest{Name: long, Description: long},
	} {
		took, _ := hostile.Cost(t, func() { _ = validator.Validate(m) }) // what it answers is not the question
		t.Logf("%-12s %6.3f ms", name, took.Seconds()*1e3)
		if took > most {
			t.Errorf("%s: %v of a processor", name, took)
		}
	}
	if err := validator.Validate(&teamtaskv1.CreateTaskRequest{Name: long[:200], Description: long[:10_000]}); err != nil {
		t.Error(fmt.Errorf("the longest texts there may be: %w", err))
	}
}
