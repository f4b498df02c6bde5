package clerk

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestClerksOwnRefusalsDoNotOpenTheBreaker(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{400: "bad", 401: "bad", 404: "bad", 422: "bad", 500: "internal_clerk_error", 403: "", 302: ""} {
		run(t, func(s *stand) {
			t := s.t
			s.answer = sends(status, clerkSays(code))
			for range 2 * 5 {
				s.user(t.Context())
			}
			s.answer = sends(http.StatusOK, aliceJSON)
			if err := s.user(t.Context()); err != nil {
				t.Errorf("after %d: %v", status, err)
			}
		})
	}
}

func TestMetadataOfOneMembershipStaysBelowClerksLimit(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			user := "user_bob"
			if r.URL.Path == "/v1/organizations/org_acme/memberships/user_eve/metadata" {
				user = "user_eve"
			}
			sends(http.StatusOK, memberJSON("org_acme", user, "{}"))(w, r)
		}
		set := func(ctx context.Context, user string) error {
			_, err := s.client.SetMembershipMetadata(ctx, "org_acme", user, map[string]any{MetadataLicensed: true})
			return err
		}
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if err := set(t.Context(), "user_bob"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		started := time.Now() // the others do not wait for this one
		if err := set(t.Context(), "user_eve"); err != nil || time.Since(started) > time.Second {
			t.Errorf("another membership: %v after %v", err, time.Since(started))
		}
		if err := s.client.call(t.Context(), request{name: "X"}, func(context.Context) error { return nil }); err != nil || time.Since(started) > time.Second {
			t.Errorf("another call: %v after %v", err, time.Since(started))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		want(t, set(ctx, "user_bob"), RateLimited)
		all.Wait()
		if writes, most := s.writes("user_bob"); writes != 30 || most > 8 {
			t.Errorf("%d writes, up to %d in 10 s", writes, most)
		}
	})
}

// writes is how many writes of metadata a person's membership had, and how many of them
// within 10 seconds at most.
func (s *stand) writes(user string) (all, most int) {
	var at []time.Time
	for _, r := range s.got() {
		if r.path == "/v1/organizations/org_acme/memberships/"+user+"/metadata" {
			at = append(at, r.at)
		}
	}
	for i := range at {
		n := 0
		for _, later := range at[i:] {
			if later.Sub(at[i]) < 10*time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	return len(at), most
}

func TestWritesThatWaitedOutAPauseDoNotAllComeAtOnce(t *testing.T) {
	t.Parallel()
	slowDown := sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "60")
	for name, before := range map[string]func(s *stand) error{
		"for all":     func(s *stand) error { return s.user(s.t.Context()) },
		"of the lane": func(*stand) error { return nil },
	} {
		run(t, func(s *stand) {
			t := s.t
			s.script = []http.HandlerFunc{slowDown}
			s.answer = func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					sends(http.StatusOK, aliceJSON)(w, r)
					return
				}
				sends(http.StatusOK, memberJSON("org_acme", "user_bob", "{}"))(w, r)
			}
			var all sync.WaitGroup
			all.Go(func() {
				if err := before(s); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			for range 30 {
				all.Go(func() {
					if _, err := s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", nil); err != nil {
						t.Error(err)
					}
				})
				pass(time.Millisecond)
			}
			all.Wait()
			writes, most := s.writes("user_bob")
			if writes < 30 || most > 8 {
				t.Errorf("%s: %d writes, up to %d in 10 s", name, writes, most)
			}
			got := s.got()
			if early := got[1].at.Sub(got[0].at); early < time.Minute {
				t.Errorf("%s: asked again after %v", name, early)
			}
		})
	}
}

func TestA429ForOneMembershipDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	run(t, func(s *stand) {
		t := s.t
		s.script = []http.HandlerFunc{sends(http.StatusTooManyRequests, clerkSays("too_many_requests"), "Retry-After", "10")}
		s.answer = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				sends(http.StatusOK, aliceJSON)(w, r)
				return
			}
			sends(http.StatusOK, memberJSON("org_acme", "user_bob", "{}"))(w, r)
		}
		started := time.Now()
		var bob time.Duration
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := s.client.SetMembershipMetadata(t.Context(), "org_acme", "user_bob", nil); err != nil {
				t.Error(err)
			}
			bob = time.Since(started)
		})
		synctest.Wait()
		if err := s.user(t.Context()); err != nil || time.Since(started) != 0 {
			t.Errorf("a read: %v after %v", err, time.Since(started))
		}
		all.Wait()
		if bob < 10*time.Second {
			t.Errorf("tried again after %v", bob)
		}
	})
}
