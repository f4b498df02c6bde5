package localpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/teamtask/teamtask/internal/process"
)

// Messages of PostgreSQL before it gives up for a reason that passes. They are in English: see environment.
const (
	portTaken     = "could not create any TCP/IP sockets"
	stillAttached = "pre-existing shared memory block"
)

const (
	attachedMax = 15 * time.Second // for the last processes of a killed server to end
	shutDownMax = 10 * time.Second // for a fast shutdown, for an abrupt one, and for the end after a kill
)

// serve starts the server on port, or on one of its choice if that is 0, and returns once it accepts connections.
func (c *cluster) serve(ctx context.Context, fixed int, log *log) (*process.Process, *url.URL, error) {
	deadline := time.Now().Add(attachedMax)
	for attempt := 0; ; attempt++ {
		port, err := c.port(ctx, fixed, attempt)
		if err != nil {
			return nil, nil, err
		}
		p, admin, err := c.serveOn(ctx, port, log)
		if err == nil {
			return p, admin, nil
		}
		said := log.tail()
		switch {
		case ctx.Err() != nil:
		case strings.Contains(said, portTaken) && fixed == 0 && attempt < 10:
			continue
		case strings.Contains(said, stillAttached) && time.Now().Before(deadline):
			if pause(ctx, 100*time.Millisecond) == nil {
				continue
			}
		}
		return nil, nil, err
	}
}

// port returns the fixed one, else at the first attempt the port of the last run if it is free, else any free one.
func (c *cluster) port(ctx context.Context, fixed, attempt int) (int, error) {
	if fixed != 0 {
		return fixed, nil
	}
	last, err := c.home.read(portFile)
	if err != nil {
		return 0, err
	}
	if attempt == 0 && last != "" {
		if port, err := listen(ctx, last); err == nil {
			return port, nil
		}
	}
	return listen(ctx, "0")
}

// listen tries a port and returns its number, the one the system chose for "0".
func listen(ctx context.Context, port string) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return 0, err
	}
	address, err := netip.ParseAddrPort(l.Addr().String())
	return int(address.Port()), errors.Join(err, l.Close())
}

// serveOn starts the server and waits until it is ready. After an error no process is left.
func (c *cluster) serveOn(ctx context.Context, port int, log *log) (*process.Process, *url.URL, error) {
	p, err := c.home.who.launch(filepath.Join(c.bin.dir, "postgres"), c.settings(port), log, syscall.SIGINT)
	if err != nil {
		return nil, nil, err
	}
	admin := &url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, c.password), Path: "/postgres", RawQuery: "sslmode=disable",
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
	}
	if err = c.ready(ctx, p, admin, log); err == nil {
		err = c.home.write(portFile, strconv.Itoa(port))
	}
	if err != nil {
		shutDown(ctx, p)
		return nil, nil, err
	}
	return p, admin, nil
}

// settings returns the arguments of the server. They override the files in the data folder, so what protects committed
// data is always on. The socket folder is empty because its path may be too long for a socket.
func (c *cluster) settings(port int) []string {
	values := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port), "unix_socket_directories=",
		"fsync=on", "full_page_writes=on", "synchronous_commit=on", "max_connections=200",
		"log_destination=stderr", "logging_collector=off", "lc_messages=C",
	}
	if c.ephemeral {
		values = append(values, "shared_buffers=32MB")
	}
	args := []string{"-D", filepath.Join(c.home.dir, dataFolder)}
	for _, value := range values {
		args = append(args, "-c", value)
	}
	return args
}

// shutDown stops a server: fast, then abruptly, then by force. The abrupt one comes early if ctx ends. After a kill
// the next Start recovers, so that is no error.
func shutDown(ctx context.Context, p *process.Process) {
	_ = p.Stop(ctx, shutDownMax, syscall.SIGINT, syscall.SIGQUIT)
}

// ready waits until the server accepts connections, its process ends or ctx does.
func (c *cluster) ready(ctx context.Context, p *process.Process, admin *url.URL, log *log) error {
	for {
		err := c.connect(ctx, admin)
		if err == nil {
			return nil
		}
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) && refusal.Code == "28P01" { // invalid_password
			return fmt.Errorf("the password in the file %s is not the one of the cluster: restore it, or remove the folder", passwordFile)
		}
		select {
		case <-p.Done():
			return fmt.Errorf("the server ended: %w:\n%s", p.Err(), log.tail())
		case <-ctx.Done():
			return fmt.Errorf("%w while waiting for the server:\n%s", context.Cause(ctx), log.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// connect returns an error unless this cluster, not another server that was faster on the same port, accepts a connection.
func (c *cluster) connect(ctx context.Context, admin *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var folder string
	if err := conn.QueryRow(ctx, "select current_setting('data_directory')").Scan(&folder); err != nil {
		return err
	}
	if folder != filepath.Join(c.home.dir, dataFolder) {
		return errors.New("another server listens on the port")
	}
	return nil
}

// pause waits for d, or returns the cause of the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
