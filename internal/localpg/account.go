package localpg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"

	"github.com/teamtask/teamtask/internal/process"
)

// account is the user that PostgreSQL runs as: ourselves, or for root another one, since PostgreSQL refuses to run as root.
type account struct {
	uid, gid uint32
	name     string
	drop     bool // programs are started under uid and gid instead of our own
}

// accountFor picks the user for a cluster at dir, which need not exist. A link is not followed.
func accountFor(dir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()), name: "uid " + strconv.Itoa(os.Geteuid())}, nil
	}
	if info, err := os.Lstat(dir); err == nil && info.IsDir() && ownerOf(info) != 0 {
		if u, err := user.LookupId(strconv.Itoa(int(ownerOf(info)))); err == nil {
			return dropTo(u)
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return dropTo(u)
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

func dropTo(u *user.User) (account, error) {
	uid, err := strconv.ParseInt(u.Uid, 10, 64)
	if err != nil {
		return account{}, fmt.Errorf("read the uid of %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseInt(u.Gid, 10, 64)
	if err != nil {
		return account{}, fmt.Errorf("read the gid of %s: %w", u.Username, err)
	}
	return account{uid: uint32(uid), gid: uint32(gid), name: u.Username, drop: true}, nil
}

// command returns a short program that runs as the account, in a folder that it may enter. It ends with ctx.
func (a account) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // a program of PostgreSQL, or the shell
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", environment(), a.attributes()
	return cmd
}

// launch starts a program as the account, with its output in the log. If this process is killed, Linux sends the
// program the signal orphaned; elsewhere it goes on until the next Start stops it.
func (a account) launch(path string, args []string, log *log, orphaned syscall.Signal) (*process.Process, error) {
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // a program of PostgreSQL; it outlives the context of the start
	cmd.Dir, cmd.Env, cmd.SysProcAttr = "/", environment(), a.attributes()
	cmd.Stdout, cmd.Stderr = log.file, log.file
	log.begin()
	return process.Start(cmd, orphaned)
}

func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if a.drop {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// enters reports whether the account can enter dir. It tries, because modes alone do not decide that.
func (a account) enters(ctx context.Context, dir string) bool {
	if !a.drop {
		return true
	}
	cmd := a.command(ctx, "/bin/sh", "-c", ":")
	cmd.Dir = dir
	return cmd.Run() == nil
}

// own gives a file that we made to the account.
func (a account) own(f *os.File) error {
	if !a.drop {
		return nil
	}
	return f.Chown(int(a.uid), int(a.gid))
}

// ownerOf returns the uid of a file's owner. Where the system does not report one, no account has the returned uid.
func ownerOf(info os.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return math.MaxUint32
}
