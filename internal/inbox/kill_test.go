package inbox_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/teamtask/teamtask/internal/fault"
	"github.com/teamtask/teamtask/internal/inbox"
	"github.com/teamtask/teamtask/internal/jobs"
)

const (
	childVariable = "TEAMTASK_INBOX_CHILD" // the step at which the child dies, or "never"
	urlVariable   = "TEAMTASK_INBOX_URL"
	killsVariable = "TEAMTASK_INBOX_KILLS" // how many; 40 where it is not set
)

var slogDiscard = slog.New(slog.DiscardHandler)

// child is a server that receives and works, and that kills itself at a step: SIGKILL
// leaves it no time for anything.
func child() error {
	deathAt := os.Getenv(childVariable)
	at := func(step string) {
		if step == deathAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv(urlVariable))
	if err != nil {
		return err
	}
	queue, err := jobs.Open(ctx, jobs.Options{
		URL: os.Getenv(urlVariable), Log: slogDiscard, Backoff: func(int) time.Duration { return 0 },
		Timeout: 2 * time.Second, Rescue: 3 * time.Second,
		Jobs: []jobs.Job{{Name: "effect", Do: func(ctx context.Context, _ jobs.Call) error {
			at("doing")
			_, err := pool.Exec(ctx, `INSERT INTO effects (event_id) VALUES (0)`)
			return err
		}}},
	})
	if err != nil {
		return err
	}
	b, err := inbox.New(queue, inbox.Options{
		Log: slogDiscard, Attempts: 100,
		Consumers: []inbox.Consumer{{Name: consumer, Wants: all, Apply: func(ctx context.Context, e inbox.Event) error {
			return effect(ctx, pool, e, at)
		}}},
	})
	if err != nil {
		return err
	}
	b.At(at)
	provider, err := newClerk([]string{secretA})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, l.Addr()) // before it works: it may die of what a predecessor left
	if err := queue.Start(ctx); err != nil {
		return err
	}
	exit := fault.NewExit(slogDiscard, func(fault.Outcome) {})
	return http.Serve(l, exit.Handler(b.Handler(provider, exit)))
}

// spawn starts a child and answers its address.
func spawn(t *testing.T, url, deathAt string) (process *exec.Cmd, address string) {
	t.Helper()
	process = exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), childVariable+"="+deathAt, urlVariable+"="+url)
	var stderr bytes.Buffer
	process.Stderr = &stderr
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = process.Wait()
		t.Fatalf("the child did not start: %v\n%s", err, stderr.String())
	}
	return process, "http://" + strings.TrimSpace(line)
}

// Whatever step a server dies at, an event that is sent until it is answered
// has its effect once.
func TestKilledAtEveryStepNothingIsLostAndNothingHappensTwice(t *testing.T) {
	t.Parallel()
	kills := 40
	if given := os.Getenv(killsVariable); given != "" {
		var err error
		if kills, err = strconv.Atoi(given); err != nil {
			t.Fatal(err)
		}
	}
	x := newBox(t, nil)
	steps := append([]string{"applying"}, inbox.Steps...)
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	post := func(address string, s signed) bool {
		response, err := client.Do(s.request(t.Context(), address))
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusNoContent
	}
	var sent, unanswered []signed
	died := map[string]int{}
	for i := range kills {
		step := steps[i%len(steps)]
		process, address := spawn(t, x.db.AppURL, step)
		// Every child gets the ones that its predecessors did not answer as well.
		fresh := sign(secretA, newID(), time.Now(), eventBody(kind))
		sent = append(sent, fresh)
		var again []signed
		for _, s := range append(unanswered, fresh) {
			if !post(address, s) {
				again = append(again, s)
			}
		}
		unanswered = again
		late := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
		err := process.Wait()
		if !late.Stop() {
			t.Fatalf("a child did not come to %s", step)
		}
		status, ok := process.ProcessState.Sys().(syscall.WaitStatus)
		if _, exited := errors.AsType[*exec.ExitError](err); !exited || !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("a child that was to die at %s ended with %v", step, err)
		}
		died[step]++
	}
	process, address := spawn(t, x.db.AppURL, "never")
	for _, s := range unanswered {
		if !post(address, s) {
			t.Error("not answered by a server that lives")
		}
	}
	x.until(len(sent), doneSQL)
	x.until(0, `SELECT count(*) FROM river_job WHERE kind = 'inbox_delivery' AND state <> 'completed'`)
	if err := process.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = process.Wait()
	if n := x.events(); n != len(sent) {
		t.Errorf("%d rows of %d events", n, len(sent))
	}
	if n := x.count(`SELECT count(DISTINCT event_id) FROM effects`); n != len(sent) {
		t.Errorf("%d of %d events had their effect", n, len(sent))
	}
	if n := x.effects(); n != len(sent) {
		t.Errorf("%d effects of %d events", n, len(sent))
	}
	t.Logf("%d kills %v: %d events, %d effects", kills, died, len(sent), x.effects())
}

func TestAJobWhoseProcessDiedIsDoneAgain(t *testing.T) {
	t.Parallel()
	x := newBox(t, nil)
	process, _ := spawn(t, x.db.AppURL, "doing")
	x.exec(jobs.InsertSQL, "effect", "org_1", "user_1", nil)
	late := time.AfterFunc(patience, func() { _ = process.Process.Kill() })
	_ = process.Wait()
	if !late.Stop() {
		t.Fatal("the child did not begin the job")
	}
	if n := x.count(`SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'running'`); n != 1 || x.effects() != 0 {
		t.Errorf("%d jobs under way, %d effects", n, x.effects())
	}
	process, _ = spawn(t, x.db.AppURL, "never")
	x.until(1, `SELECT count(*) FROM river_job WHERE kind = 'inbox_job' AND state = 'completed'`)
	if x.effects() != 1 {
		t.Errorf("%d effects, want 1", x.effects())
	}
	if err := process.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = process.Wait()
}
