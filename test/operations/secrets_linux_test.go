package operations

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/teamtask/teamtask/internal/pgtest"
	"github.com/teamtask/teamtask/internal/sandbox"
	"github.com/teamtask/teamtask/internal/stacktest"
)

// What a server was told in confidence is in its own environment and nowhere else: not
// on its command line, in a child, in a profile, in its log, or in what it leaves behind
// when it is killed with a trace of all that it was doing.
func TestSecretsStayInTheEnvironmentOfTheServer(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	key := base64.StdEncoding.EncodeToString([]byte("zq7canary-of-the-webhook"))
	secrets := map[string]string{
		"CLERK_SECRET_KEY": "sk_test_zq7canaryclerk", "CLERK_WEBHOOK_SECRET": "whsec_" + key,
		"STRIPE_SECRET_KEY": "sk_test_zq7canarystripe", "STRIPE_WEBHOOK_SECRET": "whsec_zq7canarysigning",
	}
	env := map[string]string{
		"DATABASE_URL": db.AppURL, "CLERK_ISSUER": stacktest.SandboxOf(t).Issuer(), "CLERK_JWT_KEY": stacktest.SandboxOf(t).PublicKeyPEM(),
		"CLERK_API_URL": stacktest.SandboxOf(t).Issuer() + "/v1", "STRIPE_API_URL": stacktest.SandboxOf(t).StripeURL(), // which know none of these keys
		"STRIPE_SEAT_PRICE": "price_1", "APP_URL": "https://app.example.com",
		"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:00", "LOG_LEVEL": "debug", "GOTRACEBACK": "all",
	}
	maps.Copy(env, secrets)
	words := []string{"for-tests-only", "zq7canary", key}
	process := stacktest.Build(t).Prepare(t, stacktest.Lines(env), "serve")
	stderr, err := process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := bufio.NewScanner(io.TeeReader(stderr, &logged))
	log.Buffer(nil, 1<<20)
	var serving struct{ Address, Admin string }
	stacktest.WaitFor(t, log, "serving", &serving)
	token, err := stacktest.SandboxOf(t).Token(sandbox.TokenRequest{User: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	words = append(words, token[strings.LastIndex(token, ".")+1:])
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+serving.Address+stacktest.CreateTask, strings.NewReader(`{"name":"zq7canary-name"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		answered(t, r)
	}
	none := func(where string, data []byte) {
		t.Helper()
		for _, word := range words {
			if at := bytes.Index(data, []byte(word)); at >= 0 {
				t.Errorf("%s holds %q: %.200q", where, word, data[max(0, at-100):])
			}
		}
	}

	proc := fmt.Sprintf("/proc/%d/", process.Process.Pid)
	own, err := os.ReadFile(proc + "environ")
	if err != nil || !bytes.Contains(own, []byte("zq7canary")) {
		t.Fatalf("the environment of the server: %v: this test looks at another process", err)
	}
	command, err := os.ReadFile(proc + "cmdline")
	if err != nil || !bytes.HasSuffix(command, []byte("\x00serve\x00")) {
		t.Errorf("the command line: %q, %v", command, err)
	}
	none("the command line", command)
	tasks, err := filepath.Glob(proc + "task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("the children of the server cannot be told: %v", err)
	}
	for _, task := range tasks {
		if children, err := os.ReadFile(task); err == nil && len(bytes.TrimSpace(children)) > 0 {
			t.Errorf("the server has children, which inherit its environment: %s", children)
		}
	}
	for _, path := range []string{
		"metrics", "debug/pprof/", "debug/pprof/cmdline", "debug/pprof/symbol", "debug/pprof/goroutine?debug=1", "debug/pprof/goroutine?debug=2",
		"debug/pprof/heap?debug=1", "debug/pprof/allocs?debug=1", "debug/pprof/threadcreate?debug=1", "debug/pprof/mutex?debug=1", "debug/pprof/block?debug=1",
		"debug/pprof/heap", "debug/pprof/goroutine", "debug/pprof/profile?seconds=1", "debug/pprof/trace?seconds=1",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+serving.Admin+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		none(path, answered(t, r))
	}

	if err := process.Process.Signal(syscall.SIGQUIT); err != nil { // the runtime's own way to die: every stack is written out
		t.Fatal(err)
	}
	for log.Scan() { // to its end
	}
	if err := process.Wait(); err == nil {
		t.Error("the server survived")
	}
	left := logged.Bytes()
	if !bytes.Contains(left, []byte("SIGQUIT")) || !bytes.Contains(left, []byte("goroutine ")) || !bytes.Contains(left, []byte("main.serve")) {
		t.Errorf("there is no trace to look at: %.500s", left)
	}
	none("the log and the trace", left)
}

// answered makes the request and reads the answer, unpacked where it is packed.
func answered(t *testing.T, r *http.Request) []byte {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s: %d, %v: %.200s", r.URL.Path, response.StatusCode, err, data)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return data
	}
	plain, err := io.ReadAll(unpacked)
	if err != nil {
		t.Errorf("%s: unpack: %v", r.URL.Path, err)
	}
	return plain
}
