package localpg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// temporaryPrefix begins the name of a folder that stands in for one which the server's user cannot enter.
const temporaryPrefix = "teamtask-postgres-"

// home is the folder of one cluster, locked for as long as it is open. It belongs to the user that PostgreSQL runs as,
// and nobody else may enter. Files are reached through files, so that a link in the folder never leads out of it.
type home struct {
	wanted string // where the caller asked for it: dir, or a link to it
	dir    string // the real folder, absolute and without links
	who    account
	files  *os.Root
	lock   *os.File
}

// openHome finds or makes the folder for wanted and locks it.
func openHome(ctx context.Context, wanted string) (*home, error) {
	if wanted == "" {
		return nil, errors.New("no folder given")
	}
	h, err := place(ctx, wanted)
	if err != nil {
		return nil, err
	}
	if err := h.claim(); err != nil {
		return nil, err
	}
	if h.files, err = os.OpenRoot(h.dir); err != nil {
		return nil, err
	}
	if err := h.acquire(); err != nil {
		return nil, errors.Join(err, h.files.Close())
	}
	return h, nil
}

// place decides where the folder is, and makes its parent and the link to it.
func place(ctx context.Context, wanted string) (*home, error) {
	wanted, err := filepath.Abs(wanted)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(wanted), 0o755); err != nil { //nolint:gosec // the server's user must be able to pass
		return nil, err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(wanted))
	if err != nil {
		return nil, err
	}
	wanted = filepath.Join(parent, filepath.Base(wanted))
	who, err := accountFor(wanted)
	if err != nil {
		return nil, err
	}
	h := &home{wanted: wanted, dir: wanted, who: who}
	info, err := os.Lstat(wanted)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if who.enters(ctx, parent) {
			return h, nil
		}
		return h, h.moveAway(ctx)
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return h, h.follow(ctx)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is not a folder", wanted)
	case who.enters(ctx, parent):
		return h, nil
	}
	if err := os.Remove(wanted); err != nil {
		return nil, fmt.Errorf("user %s cannot enter %s, and it is not empty: move it away", who.name, wanted)
	}
	return h, h.moveAway(ctx)
}

// moveAway puts the folder into the temporary place, under a name that is the same at the next run, and links to it.
func (h *home) moveAway(ctx context.Context) error {
	temporary, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		return err
	}
	if !h.who.enters(ctx, temporary) {
		return fmt.Errorf("user %s can enter neither %s nor %s", h.who.name, filepath.Dir(h.wanted), temporary)
	}
	sum := sha256.Sum256([]byte(h.wanted))
	h.dir = filepath.Join(temporary, temporaryPrefix+hex.EncodeToString(sum[:8]))
	err = os.Symlink(h.dir, h.wanted)
	if errors.Is(err, fs.ErrExist) {
		if target, err := os.Readlink(h.wanted); err == nil && target == h.dir {
			return nil // another process placed it in the meantime
		}
	}
	return err
}

// follow takes the folder that a link from an earlier run leads to, or a new one if it has been cleared away.
func (h *home) follow(ctx context.Context) error {
	dir, err := filepath.EvalSymlinks(h.wanted)
	if err == nil {
		h.dir = dir
		return nil
	}
	target, readErr := os.Readlink(h.wanted)
	if readErr != nil || !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(filepath.Base(target), temporaryPrefix) {
		return fmt.Errorf("%s is a link that leads nowhere: remove it", h.wanted)
	}
	if err := os.Remove(h.wanted); err != nil {
		return err
	}
	if h.who.enters(ctx, filepath.Dir(h.wanted)) {
		h.dir = h.wanted
		return nil
	}
	return h.moveAway(ctx)
}

// claim makes the folder, or checks that the one in its place is ours: a name in the temporary place can be foreseen,
// so another user may have been there first, and a folder with other things in it must not be taken over.
func (h *home) claim() error {
	if err := os.Mkdir(h.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(h.dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder: remove it", h.dir)
	}
	owner := ownerOf(info)
	if owner != h.who.uid && owner != uint32(os.Geteuid()) {
		return fmt.Errorf("%s belongs to uid %d, but PostgreSQL would run as %s: use that user, or remove the folder", h.dir, owner, h.who.name)
	}
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return h.takeOver(info)
	}
	if _, err := os.Lstat(filepath.Join(h.dir, lockFile)); err != nil {
		return fmt.Errorf("%s holds something other than a cluster of this program: choose another folder", h.dir)
	}
	if owner != h.who.uid || info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s must belong to %s with mode 0700: restore that, or remove the folder", h.dir, h.who.name)
	}
	return nil
}

// takeOver gives an empty folder to the server's user. A folder that another user could write to until now may have been
// changed since it was looked at, therefore the same folder is held open throughout.
func (h *home) takeOver(seen fs.FileInfo) error {
	dir, err := os.Open(h.dir)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if info, err := dir.Stat(); err != nil || !os.SameFile(info, seen) {
		return errors.Join(err, fmt.Errorf("%s is being replaced by another process", h.dir))
	}
	return errors.Join(dir.Chmod(0o700), h.who.own(dir))
}
