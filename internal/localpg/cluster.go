package localpg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"syscall"
)

// cluster is a complete data folder, the programs that fit it and the password of its superuser.
type cluster struct {
	home      *home
	bin       binaries
	password  string
	ephemeral bool
}

// openCluster returns the cluster in the home. It makes one if there is none, or only a half-made one.
func openCluster(ctx context.Context, h *home, from sources, log *log, ephemeral bool) (*cluster, error) {
	major, err := h.major()
	if err != nil {
		return nil, err
	}
	password, err := h.read(passwordFile)
	if err != nil {
		return nil, err
	}
	if major != 0 && password == "" {
		return nil, fmt.Errorf("the file %s is missing: restore it, or remove the folder to begin anew", passwordFile)
	}
	c := &cluster{home: h, password: password, ephemeral: ephemeral}
	if c.bin, err = from.find(ctx, h.who, major); err != nil {
		return nil, err
	}
	if major != 0 {
		return c, nil
	}
	if password == "" {
		c.password = rand.Text()
		if err := h.write(passwordFile, c.password); err != nil {
			return nil, err
		}
	}
	return c, c.initialize(ctx, log)
}

// major is the version of PostgreSQL that wrote the data, 0 if there is none.
func (h *home) major() (int, error) {
	if _, err := h.files.Lstat(dataFolder); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	version, err := h.read(dataFolder + "/PG_VERSION")
	if err != nil {
		return 0, err
	}
	major, err := strconv.Atoi(version)
	if err != nil || major <= 0 {
		return 0, fmt.Errorf("%s holds no data of PostgreSQL: remove the folder to begin anew", filepath.Join(h.dir, dataFolder))
	}
	return major, nil
}

// initialize makes the data under another name and renames it when it is complete.
func (c *cluster) initialize(ctx context.Context, log *log) error {
	const secret = "initdb.password"
	h := c.home
	if err := h.files.RemoveAll(newFolder); err != nil {
		return fmt.Errorf("remove half-made data: %w", err)
	}
	if err := h.write(secret, c.password); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + filepath.Join(h.dir, newFolder), "--pwfile=" + filepath.Join(h.dir, secret), "--username=" + superuser,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions",
	}
	if c.ephemeral {
		args = append(args, "--no-sync")
	}
	err := c.initdb(ctx, args, log)
	if err = errors.Join(err, h.files.RemoveAll(secret)); err != nil {
		return err
	}
	return h.files.Rename(newFolder, dataFolder)
}

func (c *cluster) initdb(ctx context.Context, args []string, log *log) error {
	p, err := c.home.who.launch(filepath.Join(c.bin.dir, "initdb"), args, log, syscall.SIGKILL)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("initdb: %w", context.Cause(ctx))
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("initdb: %w:\n%s", err, log.tail())
	}
	return nil
}
