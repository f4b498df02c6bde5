// Package localpg starts a private PostgreSQL from the binaries at hand, for the development command and for tests.
// With TEAMTASK_POSTGRES_URL set it starts nothing and works on that server instead.
package localpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"

	"github.com/teamtask/teamtask/internal/process"
)

// superuser is the administrator of every cluster this package makes.
const superuser = "postgres"

// Options say where a private server lives. None of them has an effect on an external server.
type Options struct {
	// Dir is the folder of the cluster, made when it is missing. It holds the data, the log (postgres.log), the port and
	// the password of the superuser.
	// It must be absent, empty or from an earlier Start. Where the user that PostgreSQL runs as cannot enter it, the
	// folder is kept in the system's temporary place and Dir becomes a symbolic link to it.
	Dir string
	// Port is the port to listen on. 0 takes the one of the last run if it is free, else any free one.
	Port int
	// Ephemeral removes the folder, and a link to it, at Stop.
	Ephemeral bool
}

// Server is a PostgreSQL that accepts connections, private or external. It is safe to share between goroutines.
type Server struct {
	admin     *url.URL
	external  bool
	home      *home
	process   *process.Process
	log       *log
	ephemeral bool

	stopping sync.Mutex
	stopped  bool
}

// Start returns a server that accepts connections. ctx bounds the start, not the life of the server.
//
// PostgreSQL 15 or newer comes from TEAMTASK_POSTGRES_URL (an administrator who may create databases and roles), else
// from the binaries on this machine, else from a download; else the error names the command that installs it. Run by
// root, the server runs as another user: the owner of an existing Dir, else postgres, else nobody.
//
// A private server listens on 127.0.0.1 alone and belongs to this process: on Linux it stops when this process is
// killed, elsewhere the next Start stops it. While it runs every other Start on the same Dir is refused. A Start that
// returns an error leaves no process behind.
func Start(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, o, machine())
}

func start(ctx context.Context, o Options, from sources) (*Server, error) {
	if address := from.getenv(variable); address != "" {
		return external(ctx, address)
	}
	h, err := openHome(ctx, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("prepare the folder of PostgreSQL: %w", err)
	}
	s := &Server{home: h, ephemeral: o.Ephemeral}
	if err := s.begin(ctx, o, from); err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL in %s: %w", h.dir, err), s.release())
	}
	return s, nil
}

// AdminURL returns the postgres:// address of an administrator, with the password in it: of the private server's superuser
// and its database postgres, or TEAMTASK_POSTGRES_URL as it was given.
func (s *Server) AdminURL() string { return s.admin.String() }

// URL returns the postgres:// address of another database and login on this server. It creates neither.
func (s *Server) URL(database, user, password string) string {
	u := *s.admin
	u.User = url.UserPassword(user, password)
	u.Path, u.RawPath = "/"+database, ""
	query := u.Query()
	for _, name := range []string{"user", "password", "dbname", "database"} {
		query.Del(name)
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// External reports whether the server is the one of TEAMTASK_POSTGRES_URL.
func (s *Server) External() bool { return s.external }

// Process returns the process id of the private server, 0 for an external one. It stays the same after Stop.
func (s *Server) Process() int {
	if s.process == nil {
		return 0
	}
	return s.process.PID()
}

// Stop shuts the private server down, breaking off what its clients are doing, and returns once the process is gone.
// When ten seconds or ctx run out the shutdown is abrupt: the next Start recovers. The data stays, unless the server
// is Ephemeral. A second Stop, and Stop of an external server, do nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.stopping.Lock()
	defer s.stopping.Unlock()
	if s.external || s.stopped {
		return nil
	}
	s.stopped = true
	shutDown(ctx, s.process)
	return s.release()
}

func (s *Server) begin(ctx context.Context, o Options, from sources) error {
	if err := endStray(ctx, s.home); err != nil {
		return err
	}
	var err error
	if s.log, err = openLog(s.home); err != nil {
		return err
	}
	c, err := openCluster(ctx, s.home, from, s.log, o.Ephemeral)
	if err != nil {
		return err
	}
	s.process, s.admin, err = c.serve(ctx, o.Port, s.log)
	return err
}

// release gives up the folder once no process uses it.
func (s *Server) release() error {
	var err error
	if s.log != nil {
		err = s.log.file.Close()
	}
	if s.ephemeral {
		err = errors.Join(err, s.home.remove())
	}
	return errors.Join(err, s.home.close())
}

// environment returns the environment of a PostgreSQL program: nothing secret, and no PG variable that changes what it does.
func environment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
