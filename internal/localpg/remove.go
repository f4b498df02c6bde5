package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Remove deletes the cluster in dir and the link to it. It refuses while a server is running there; without a cluster
// it does nothing.
func Remove(ctx context.Context, dir string) error {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	h, err := openHome(ctx, dir)
	if err != nil {
		return fmt.Errorf("remove the cluster: %w", err)
	}
	if err := endStray(ctx, h); err != nil {
		return errors.Join(err, h.close())
	}
	return errors.Join(h.remove(), h.close())
}
