package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/teamtask/teamtask/internal/process"
	"github.com/teamtask/teamtask/internal/sandbox"
)

// starts is how often the product is started to see how long that takes.
const starts = 5

// startFigures are how the product starts: from the beginning of its process until
// /readyz answers 200, with the schema in place, and what it holds then.
type startFigures struct {
	Starts  int    `json:"starts"`
	ReadyMS spread `json:"ready_ms"`
	RSSMiB  spread `json:"rss_mib"`
}

// startProduct starts the server several times and leaves the last one running.
func (s *stack) startProduct(ctx context.Context) error {
	var ready, held []float64
	for range starts {
		if last := s.servers[product]; last != nil {
			if err := last.stop(); err != nil {
				return err
			}
		}
		free, err := process.FreeAddresses(ctx, 2)
		if err != nil {
			return err
		}
		address, admin := free[0], free[1]
		s.admin = admin
		begin := time.Now()
		c, err := startChild(string(product), address, s.dir, s.binary, s.productEnvironment(address, admin), "serve")
		if err != nil {
			return err
		}
		s.servers[product] = c
		s.ends = append(s.ends, c.stop)
		if err := c.waitReady(ctx); err != nil {
			return err
		}
		ready = append(ready, milliseconds(time.Since(begin)))
		now, _, err := memory(c.PID())
		if err != nil {
			return fmt.Errorf("read the server's memory: %w", err)
		}
		held = append(held, mebibytes(now))
	}
	s.start = startFigures{Starts: starts, ReadyMS: spreadOf(ready), RSSMiB: spreadOf(held)}
	return nil
}

// productEnvironment is the server's, as a deployment would set it.
func (s *stack) productEnvironment(address, admin string) []string {
	return append([]string{
		processors(),
		"DATABASE_URL=" + s.appURL,
		"TASKS_RATE=0",
		"LISTEN_ADDR=" + address,
		"ADMIN_ADDR=" + admin,
		"CLERK_ISSUER=" + s.box.Issuer(),
		"CLERK_SECRET_KEY=" + s.box.SecretKey(),
		"CLERK_API_URL=" + s.boxAt + "/clerk/v1",
		"CLERK_AUTHORIZED_PARTIES=" + frontend,
	}, s.extra...)
}

// processors is how many all of them may use.
func processors() string { return "GOMAXPROCS=" + strconv.Itoa(runtime.GOMAXPROCS(0)) }

// startFloors starts both; the echo answers what the product did.
func (s *stack) startFloors(ctx context.Context, answers map[op]proto.Message) error {
	for o, answer := range answers {
		if err := writeAnswer(s.dir, o, answer); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	for _, floor := range []target{echo, query} {
		free, err := process.FreeAddresses(ctx, 1)
		if err != nil {
			return err
		}
		address := free[0]
		c, err := startChild(string(floor), address, s.dir, self, []string{processors(), "DATABASE_URL=" + s.floorURL},
			"floor", string(floor), "-listen", address, "-answers", s.dir)
		if err != nil {
			return err
		}
		s.servers[floor] = c
		s.ends = append(s.ends, c.stop)
		if err := c.waitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// token is a session token that outlives a row.
func (s *stack) token() (string, error) {
	return s.box.Token(sandbox.TokenRequest{User: caller, Org: tenant, TTL: tokenLives})
}

// adminURL is of the superuser, for whom there is no row security.
func (s *stack) adminURL() string {
	u, err := url.Parse(s.pg.AdminURL())
	if err != nil {
		panic(err) // localpg has made it
	}
	u.Path = "/" + database
	return u.String()
}

// stored is how many tasks the caller's tenant has, and the version of PostgreSQL.
func (s *stack) stored(ctx context.Context) (n int, version string, err error) {
	conn, err := pgx.Connect(ctx, s.adminURL())
	if err != nil {
		return 0, "", fmt.Errorf("connect to count: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	const count = `
		SELECT count(*), current_setting('server_version')
		  FROM tasks
		 WHERE tenant_id = $1`
	if err := conn.QueryRow(ctx, count, tenant).Scan(&n, &version); err != nil {
		return 0, "", fmt.Errorf("count: %w", err)
	}
	return n, version, nil
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
