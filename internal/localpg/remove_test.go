package localpg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestRemoveDeletesAStoppedClusterAndRefusesARunningOne(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "cluster")
	s, err := Start(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), dir); err == nil {
		t.Error("Remove deleted a cluster that is running")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), dir); err != nil {
		t.Fatalf("Remove of a stopped cluster: %v", err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if err := Remove(t.Context(), dir); err != nil {
		t.Errorf("Remove of nothing: %v", err)
	}
}
