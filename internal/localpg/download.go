package localpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// downloads are the versions that can be fetched, by major version. 0 stands for no preference.
var downloads = map[int]embedded.PostgresVersion{
	0: embedded.V17, 15: embedded.V15, 16: embedded.V16, 17: embedded.V17, 18: embedded.V18,
}

// download fetches PostgreSQL once for all clusters of this user and returns the folder of its programs.
func download(ctx context.Context, who account, major int) (string, error) {
	version, ok := downloads[major]
	if !ok {
		return "", fmt.Errorf("PostgreSQL %d is not offered", major)
	}
	cache, err := openCache(who)
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, "postgresql-"+string(version))
	if _, err := os.Stat(final); err == nil {
		return filepath.Join(final, "bin"), nil
	}
	fetched := make(chan error, 1)
	go func() { fetched <- fetch(ctx, version, cache, final) }() // the library cannot be interrupted
	select {
	case err := <-fetched:
		return filepath.Join(final, "bin"), err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// openCache is the folder for downloaded programs. Nobody but us may write to it, and the account must be able to enter.
func openCache(who account) (string, error) {
	dir := filepath.Join(os.TempDir(), temporaryPrefix+"programs")
	if !who.drop {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(base, "teamtask")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's user must be able to enter
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || ownerOf(info) != uint32(os.Geteuid()) || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s must be a folder of this user that nobody else may write to: remove it", dir)
	}
	return dir, nil
}

// fetch unpacks a version beside its place and moves it there when it is complete.
func fetch(ctx context.Context, version embedded.PostgresVersion, cache, final string) error {
	stage, err := os.MkdirTemp(cache, "unpack-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(stage) }()
	programs, data := filepath.Join(stage, "programs"), filepath.Join(stage, "data")
	port, err := listen(ctx, "0")
	if err != nil {
		return err
	}
	// The library fetches only on the way to a start. A data folder with nothing but a version lets it unpack and then
	// fail to start, so that all the rest is ours to do.
	major := strconv.Itoa(number(string(version)))
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(major), 0o600)); err != nil {
		return err
	}
	server := embedded.NewDatabase(embedded.DefaultConfig().Version(version).Port(uint32(port)).Logger(io.Discard).
		CachePath(cache).RuntimePath(filepath.Join(stage, "run")).BinariesPath(programs).DataPath(data))
	startErr := server.Start()
	if startErr == nil {
		return errors.Join(errors.New("a server ran on an empty folder"), server.Stop())
	}
	for _, program := range []string{"postgres", "initdb"} {
		if _, err := os.Stat(filepath.Join(programs, "bin", program)); err != nil {
			return startErr
		}
	}
	if err := os.Rename(programs, final); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
