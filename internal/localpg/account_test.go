package localpg

import (
	"os"
	"os/user"
	"testing"
)

// Root takes over a cluster of an ordinary user without taking it away from that user.
func TestServerRunsAsTheOwnerOfItsFolder(t *testing.T) {
	t.Parallel()
	dir, want := folder(t), uint32(os.Geteuid())
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if want == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		who, err := dropTo(nobody)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, int(who.uid), int(who.gid)); err != nil {
			t.Fatal(err)
		}
		want = who.uid
	}
	s := mustStart(t, Options{Dir: dir, Ephemeral: true})
	if got, _, err := commandOf(s.Process()); err != nil || got != want {
		t.Errorf("the server runs as %d (%v), want %d", got, err, want)
	}
	for _, name := range []string{lockFile, passwordFile, portFile, logFile, dataFolder} {
		info, err := s.home.files.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := ownerOf(info); got != want {
			t.Errorf("%s belongs to %d, want %d", name, got, want)
		}
	}
}
